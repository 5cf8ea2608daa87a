import AdapterAPI

/// The life of a request, on one loop. `serve` reads like the list in docs/ARCHITECTURE.md.
///
/// What not every request needs is never inlined into it: it has a frame of its own, so that the one that each request has stays
/// small. Touched by its loop's thread only.
final class RequestPipeline: ExchangeHandler {
  let loop: EventLoop
  let log: Log
  let metrics: Metrics
  let catalogue: Catalogues
  private(set) var snapshot: Snapshot
  private var verifier: TokenVerifier
  let caller: AdapterCaller
  let sharing: Sharing
  let waits: FlightWaits
  private var random = IDNumbers()
  private let loops: Int

  init(
    loop: EventLoop, loops: Int, snapshot: Snapshot, catalogue: Catalogues, sharing: Sharing, log: Log, metrics: Metrics
  ) {
    self.loop = loop
    self.catalogue = catalogue
    self.log = log
    self.metrics = metrics
    self.snapshot = snapshot
    self.loops = loops
    self.sharing = sharing
    waits = FlightWaits(loop: loop)
    caller = AdapterCaller(loop: loop)
    verifier = RequestPipeline.verifier(for: snapshot, loops: loops)
  }

  private static func verifier(for snapshot: Snapshot, loops: Int) -> TokenVerifier {
    let cache = snapshot.configuration.auth.cache
    return TokenVerifier(keys: snapshot.keys, cacheCapacity: cache == 0 ? 0 : max(1, cache / loops))
  }

  /// From now on requests begin with this snapshot; those in flight keep theirs. What was verified with the old keys is forgotten.
  func use(_ snapshot: Snapshot) {
    self.snapshot = snapshot
    verifier = RequestPipeline.verifier(for: snapshot, loops: loops)
    caller.forgetTokens()
  }

  func serve(_ exchange: Exchange) async {
    let report = Report(exchange, wantsAccess: log.wantsAccess)
    do throws(GatewayError) {
      report.requestID = requestID(exchange)
      let route = try route(exchange, report)
      let action = try action(exchange, route)
      let principal = try authenticate(exchange, route, action)
      report.subject = principal?.subject
      switch route.configuration.target {
      case .operation(let operation):
        let (fields, identifyingCount) = forwardedFields(exchange, requestID: report.requestID)
        let body = try await read(exchange, operation, limit: route.configuration.maxBodySize)
        let request = AdapterRequest(
          operation: operation, allFields: fields, identifyingCount: identifyingCount, body: body)
        report.operation = operation
        let answer =
          if let policy = route.sharing {
            try await share(request, policy, route, exchange, report)
          } else if let batch = route.batch {
            SharedRead(try await merge(request, batch, route, exchange, report))
          } else {
            SharedRead(try await perform(request, route, exchange, report))
          }
        await respond(answer, route, exchange, report)
      case .token(let masked):
        _ = try await read(exchange, limit: route.configuration.maxBodySize)
        respond(try await tokenAnswer(route, exchange, masked: masked), exchange, report)
      case .resource(let kind):
        respond(try await resource(kind, action, route, exchange, report), exchange, report)
      case .notImplemented(let name):
        _ = try await read(exchange, limit: route.configuration.maxBodySize)
        throw .unsupportedOperation(name)
      }
    } catch {
      report.failed(error)
      respond(error, exchange, report)
    }
    finish(report, exchange)
  }

  // MARK: route

  private func requestID(_ exchange: Exchange) -> String {
    let own = exchange.bytes(exchange.head[.requestID])
    return RequestID.isSane(own) ? String(decoding: own, as: UTF8.self) : RequestID.make(random.next())
  }

  private func route(_ exchange: Exchange, _ report: Report) throws(GatewayError) -> Route {
    let head = exchange.head
    switch snapshot.routes.match(
      method: head.method, name: exchange.bytes(head.methodRange), path: exchange.bytes(head.path))
    {
    case .route(let route):
      report.route = route
      return route
    case .notFound: throw .notFound
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow)
    }
  }

  /// What the method and the path below a resource's own ask for; nil on other routes.
  private func action(_ exchange: Exchange, _ route: Route) throws(GatewayError) -> ResourceAction? {
    guard case .resource(let kind) = route.configuration.target else { return nil }
    let below = route.rest(of: exchange.bytes(exchange.head.path))
    switch ResourceAction.match(kind, method: exchange.head.method, below: below) {
    case .action(let action): return action
    case .notFound: throw .notFound
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow)
    }
  }

  // MARK: authenticate

  private func authenticate(
    _ exchange: Exchange, _ route: Route, _ action: ResourceAction?
  ) throws(GatewayError) -> Principal? {
    guard route.configuration.requiresToken else { return nil }
    switch verifier.authenticate(exchange.bytes(exchange.head[.authorization]), now: System.wall() / 1000) {
    case .refused(let refusal):
      throw .unauthorized(refusal.reason)
    case .principal(let principal):
      let roles = action?.isWrite == true ? route.writeRoles : route.roles
      guard roles.isEmpty || principal.hasAny(of: roles) else { throw .forbidden }
      return principal
    }
  }

  // MARK: read

  /// The fields that may go upstream: an allow-list, copied now because the head is gone after the first wait.
  ///
  /// - Returns: the fields, and how many bytes of them identify the request.
  private func forwardedFields(_ exchange: Exchange, requestID: String) -> (Fields, identifyingCount: Int) {
    let head = exchange.head
    var block: [UInt8] = []
    block.reserveCapacity(192)
    func add(_ name: StaticString, _ range: ByteRange) {
      guard !range.isEmpty else { return }
      name.withUTF8Buffer { block.append(contentsOf: $0) }
      block.append(contentsOf: exchange.bytes(range))
      block.append(13)
      block.append(10)
    }
    add("Content-Type: ", head[.contentType])
    add("Accept: ", head[.accept])
    add("prop: ", head[.property])
    let identifyingCount = block.count
    if !head[.traceparent].isEmpty, TraceContext.isSane(exchange.bytes(head[.traceparent])) {
      add("traceparent: ", head[.traceparent])
      add("tracestate: ", head[.tracestate])
    }
    block.append("X-Request-Id: ")
    block.append(text: requestID)
    block.append(13)
    block.append(10)
    return (Fields(checkedBlock: block), identifyingCount)
  }

  /// An operation's body, whole and checked.
  private func read(_ exchange: Exchange, _ operation: Operation, limit: Int) async throws(GatewayError) -> [UInt8] {
    if exchange.head.has(.contentType), !MediaType.isJSON(exchange.bytes(exchange.head[.contentType])) {
      throw .unsupportedMediaType
    }
    let body = try await read(exchange, limit: limit)
    if body.isEmpty, operation == .alarms || operation == .alarmConfigs { return body }
    if let problem = JSONShape.check(body) { throw .badJSON(problem.message) }
    return body
  }

  /// The whole body. Inlined, for it is nearly always at hand: then no frame is needed to wait in.
  @inline(__always)
  func read(_ exchange: Exchange, limit: Int) async throws(GatewayError) -> [UInt8] {
    do throws(HTTPFault) {
      if let atHand = try exchange.bodyAtHand(limit: limit) { return atHand }
      return try await exchange.body(limit: limit)
    } catch {
      throw GatewayError(error)
    }
  }

  // MARK: adapter

  /// The operation's answer, with a call of this request's own.
  func perform(
    _ request: AdapterRequest, _ route: Route, _ exchange: Exchange, _ report: Report
  ) async throws(GatewayError) -> AdapterResponse {
    let answer = try await caller.answer(
      to: request, from: route.adapter, deadline: exchange.began.advanced(byNanoseconds: route.timeout),
      requestID: report.requestID)
    report.upstream(answer)
    return answer
  }

  // MARK: respond

  @inline(__always)
  private func respond(_ read: SharedRead, _ route: Route, _ exchange: Exchange, _ report: Report) async {
    do throws(AdapterError) {
      try await exchange.respond(
        Response(
          status: read.response.status, fields: read.response.fields, body: read.response.body, charge: read.charge,
          gateway: GatewayHeaders(
            requestID: report.requestID, source: read.source(of: route.adapter), age: read.kept?.age)))
    } catch {
      log.warning("a response broke off", [("requestId", "\(report.requestID)"), ("detail", "\(error.detail)")])
    }
  }

  private func respond(_ answer: ResourceResponse, _ exchange: Exchange, _ report: Report) {
    exchange.respondAtOnce(
      Response(
        status: answer.status, fields: answer.fields, body: .bytes(answer.body),
        gateway: GatewayHeaders(requestID: report.requestID)))
  }

  private func respond(_ error: GatewayError, _ exchange: Exchange, _ report: Report) {
    exchange.respondAtOnce(
      Response(error, requestID: report.requestID, isWrite: report.operation?.isWrite == true))
  }

  func response(to fault: HTTPFault) -> Response { Response(GatewayError(fault), requestID: RequestID.make()) }

  private func respond(_ json: [UInt8], _ exchange: Exchange, _ report: Report) {
    exchange.respondAtOnce(
      Response(
        status: 200, fields: RequestPipeline.privateJSON, body: .bytes(json),
        gateway: GatewayHeaders(requestID: report.requestID, source: report.route?.adapter.source ?? "")))
  }

  private static let privateJSON = Fields(
    checkedBlock: Array("Content-Type: application/json\r\nCache-Control: no-store\r\n".utf8))

  /// `GET /api/iot/token`: what the upstream's clients may need to see.
  @inline(never)
  private func tokenAnswer(_ route: Route, _ exchange: Exchange, masked: Bool) async throws(GatewayError) -> [UInt8] {
    let adapter = route.adapter
    let token = try await caller.token(for: adapter, deadline: exchange.began.advanced(byNanoseconds: route.timeout))
    var out: [UInt8] = []
    out.append(contentsOf: "{\"token\":".utf8)
    if let token {
      Escaping.appendQuoted(masked ? String(token.access.prefix(8)) + "..." : token.access, to: &out)
      out.append(contentsOf: ",\"expiresAt\":\(token.expiresAt),\"active\":true".utf8)
    } else {
      out.append(contentsOf: "null,\"expiresAt\":null,\"active\":false".utf8)
    }
    out.append(contentsOf: ",\"adapter\":".utf8)
    Escaping.appendQuoted(adapter.name, to: &out)
    out.append(125)
    return out
  }
}
