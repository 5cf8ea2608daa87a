import AdapterAPI

/// The facts about one request for metrics and the access log, gathered on its way. Touched by its loop's thread only.
final class RequestRecord {
  var requestID = ""
  var route: Route?
  /// The end of the time that the route gives the request.
  var deadline = Instant.distantFuture
  /// The adapter of a sync, which its query names.
  var syncedAdapter: AdapterInstance?
  /// The action on a resource; nil on other routes.
  var action: ResourceAction?
  /// The subject of the caller's token; empty without one.
  var subject = ""
  var operation: Operation?
  /// The `X-Gateway-Source` of a cached response.
  var source: String?
  var upstreamStatus: Int?
  var upstreamClass: UpstreamClass?
  var error: GatewayError?
  /// The reason for which a response broke off after its start.
  var breakage: AdapterError?
  /// The body of a write that is sent upstream, for the log; nil where the log does not show it.
  var written: [UInt8]?
  /// Copies of the request's head for the access log; empty without one.
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

  var isWrite: Bool { operation?.isWrite == true }

  /// Records the response of a call, of this request alone or of several.
  func upstreamResponded(_ response: AdapterResponse) {
    upstreamStatus = response.status
    upstreamClass = UpstreamClass(response.verdict)
  }

  /// Records that the gateway itself responds.
  func failed(_ error: GatewayError) {
    self.error = error
    if let outcome = error.upstreamClass { upstreamClass = outcome }
  }
}

extension RequestPipeline {
  /// Counts and logs a request that has its response.
  func finish(_ record: RequestRecord, _ exchange: Exchange) {
    if exchange.connection.server.cuts != nil { countCut(record, exchange) }
    let nanoseconds = System.monotonic() - exchange.began.nanoseconds
    let status = exchange.isGone && exchange.status == 0 ? 499 : exchange.status
    (record.route?.metrics ?? metrics.unmatched).record(
      RouteMetrics.Method(exchange.head.method), status: status, nanoseconds: nanoseconds)
    if let error = record.error { logError(error, record) }
    if record.isWrite { logWrite(record, isGone: exchange.isGone) }
    if record.wantsAccess { log.access(accessEntry(record, exchange, status: status, nanoseconds: nanoseconds)) }
  }

  /// Counts a request that `drain_timeout` ended. Of a write whose client has left only the outcome counts.
  private func countCut(_ record: RequestRecord, _ exchange: Exchange) {
    guard let error = record.error, !exchange.isDetached else { return }
    exchange.connection.server.countCut(
      isRefused: error.code == .draining && !exchange.isGone, isUnknownWrite: record.isWrite && error.mayHaveActed)
  }

  private func logError(_ error: GatewayError, _ record: RequestRecord) {
    // Refusing load must not make more of it: such requests are counted, and stand in the access log.
    let level: LogLevel = error.status >= 500 && !error.isShed ? .warning : .debug
    log.write(level, "a request was not served") {
      [
        ("requestId", "\(record.requestID)"), ("status", .int(error.status)), ("code", "\(error.code.rawValue)"),
      ] + upstreamFields(error, record) + [("detail", "\(error.detail)")]
    }
  }

  /// Names the adapter and its upstream's address, where an upstream was called or its token is missing.
  private func upstreamFields(_ error: GatewayError, _ record: RequestRecord) -> [LogField] {
    guard error.upstreamClass != nil || error.code == .noToken,
      let adapter = record.syncedAdapter ?? record.route?.adapter
    else { return [] }
    return [("adapter", "\(adapter.name)")] + (adapter.address.map { [("address", "\($0)")] } ?? [])
  }

  /// Logs a write: with `log.writes` each one, else one that failed or whose client has not waited for the response.
  private func logWrite(_ record: RequestRecord, isGone: Bool) {
    if record.error != nil {
      log.warning("write failed", record.writeFields)
    } else if isGone {
      log.warning("client left before the response of its write", record.writeFields)
    } else if record.written != nil {
      log.info("write", record.writeFields)
    }
  }

  private func accessEntry(
    _ record: RequestRecord, _ exchange: Exchange, status: Int, nanoseconds: Int64
  ) -> AccessRecord {
    let adapter = record.route?.adapter
    var entry = AccessRecord(
      requestID: record.requestID, method: record.method, route: record.route?.configuration.path ?? "unmatched",
      path: record.path, status: status, bytes: exchange.bytesSent, nanoseconds: nanoseconds, remote: record.remote)
    entry.adapter = adapter?.name
    entry.operation = record.operation?.rawValue
    entry.subject = record.subject.isEmpty ? nil : record.subject
    entry.source = record.source ?? (record.upstreamStatus == nil ? nil : adapter?.source)
    entry.upstreamStatus = record.upstreamStatus
    entry.upstreamClass = record.upstreamClass
    entry.code = status == 499 ? RequestRecord.clientLeft : record.code
    if let error = record.error, error.code == .unauthorized { entry.reason = error.detail }
    return entry
  }
}

extension RequestRecord {
  /// The code of a request whose client left before its response; the status is 499.
  fileprivate static let clientLeft = "client_left"

  /// The outcome of a write for people: `ok`, `business_error`, `unknown`, or `not carried out`.
  private var writeOutcome: String {
    if let error { return error.mayHaveActed ? WriteOutcome.unknown.rawValue : "not carried out" }
    return (upstreamClass == .businessError ? WriteOutcome.businessError : .ok).rawValue
  }

  fileprivate var writeFields: [LogField] {
    var fields: [LogField] = [
      ("requestId", "\(requestID)"), ("operation", "\(operation?.rawValue ?? "")"),
      ("upstream", "\(upstreamClass?.rawValue ?? "not sent")"), ("outcome", "\(writeOutcome)"),
    ]
    if let route { fields.append(("adapter", "\(route.adapter.name)")) }
    if error != nil, let address = route?.adapter.address { fields.append(("address", "\(address)")) }
    if !subject.isEmpty { fields.append(("subject", "\(subject)")) }
    if let written {
      let points = WrittenPoints(written)
      if let count = points.count { fields.append(("count", .int(count))) }
      fields.append(("points", .bytes(points.text, limit: WrittenPoints.textLimit)))
    }
    return fields
  }

  fileprivate var code: String? {
    error?.code.rawValue ?? breakage.map { GatewayError.Code($0.code).rawValue }
  }
}

/// Bytes that are not a request: they have no route, and end their connection.
extension RequestPipeline {
  /// Returns the response to bytes that are not a request. Counts and logs it.
  func response(to refused: RefusedRequest) -> Response {
    let response = Response(GatewayError(refused.fault), requestID: RequestID.make(random.next()))
    metrics.unmatched.record(RouteMetrics.Method(refused.method), status: response.status, nanoseconds: 0)
    if log.wantsAccess { log.access(AccessRecord(refused, response, route: metrics.unmatched.route)) }
    return response
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
