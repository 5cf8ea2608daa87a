import AdapterAPI

/// What is learned of one request on its way, for metrics and the access log. Touched by its loop's thread only.
final class Report {
  var requestID = ""
  var route: Route?
  var subject: String?
  var operation: Operation?
  /// Where a kept answer came from, as the caller was told.
  var source: String?
  var upstreamStatus: Int?
  var upstreamClass: UpstreamClass?
  var error: GatewayError?
  /// Copies for the access log, made while the head is there; empty when nobody wants them.
  let path: [UInt8]
  let method: String
  let remote: String
  let wantsAccess: Bool

  init(_ exchange: Exchange, wantsAccess: Bool) {
    self.wantsAccess = wantsAccess
    if wantsAccess {
      path = Array(exchange.bytes(exchange.head.path).prefix(AccessRecord.pathLimit + 1))
      method = String(decoding: exchange.bytes(exchange.head.methodRange), as: UTF8.self)
      remote = exchange.remote
    } else {
      path = []
      method = ""
      remote = ""
    }
  }

  /// An adapter answered, this request alone or several.
  func upstream(_ answer: AdapterResponse) {
    upstreamStatus = answer.status
    upstreamClass = UpstreamClass(answer.verdict)
  }

  /// The request gets no answer of an upstream's.
  func failed(_ error: GatewayError) {
    self.error = error
    if let outcome = error.upstreamClass { upstreamClass = outcome }
  }
}

extension RequestPipeline {
  /// Counts and logs a request that has its answer.
  func finish(_ report: Report, _ exchange: Exchange) {
    let nanoseconds = System.monotonic() - exchange.began.nanoseconds
    let status = exchange.isGone && exchange.status == 0 ? 499 : exchange.status
    (report.route?.metrics ?? metrics.unmatched).record(
      RouteMetrics.Method(exchange.head.method), status: status, nanoseconds: nanoseconds)
    if let error = report.error {
      // Shedding load must not make more of it: those are counted, and stand in the access log.
      let level: LogLevel = error.status >= 500 && !error.isShed ? .warning : .debug
      log.write(level, "a request was not served") {
        [
          ("requestId", "\(report.requestID)"), ("status", .int(error.status)), ("code", "\(error.code.rawValue)"),
          ("detail", "\(error.detail)"),
        ]
      }
    }
    if let operation = report.operation, operation.isWrite, exchange.isGone || report.error != nil {
      logWrite(operation, report)
    }
    guard report.wantsAccess else { return }
    var record = AccessRecord(
      requestID: report.requestID, method: report.method, route: report.route?.configuration.path ?? "unmatched",
      path: report.path, status: status, bytes: exchange.bytesSent, nanoseconds: nanoseconds, remote: report.remote)
    record.adapter = report.route?.adapter.name
    record.operation = report.operation?.rawValue
    record.subject = report.subject
    record.source = report.source ?? (report.upstreamStatus == nil ? nil : report.route?.adapter.source)
    record.upstreamStatus = report.upstreamStatus
    record.upstreamClass = report.upstreamClass
    log.access(record)
  }
}

extension RequestPipeline {
  /// Logs a write whose caller does not know its outcome, or whose client can't have read the response.
  private func logWrite(_ operation: Operation, _ report: Report) {
    var fields: [LogField] = [
      ("requestId", "\(report.requestID)"), ("operation", "\(operation.rawValue)"),
      ("upstream", "\(report.upstreamClass?.rawValue ?? "not sent")"),
    ]
    guard let error = report.error else {
      return log.warning("client left before the response of its write", fields)
    }
    fields.append(("outcome", error.mayHaveActed ? "unknown" : "not carried out"))
    log.warning("write failed", fields)
  }
}

extension RouteMetrics.Method {
  init(_ method: RequestHead.Method) {
    self =
      switch method {
      case .get: .get
      case .head: .head
      case .post: .post
      case .put: .put
      case .patch: .patch
      case .delete: .delete
      case .options: .options
      case .other: .other
      }
  }
}
