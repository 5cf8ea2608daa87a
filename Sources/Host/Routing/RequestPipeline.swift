import AdapterAPI

/// The life of a request, on one loop. `serve` reads like the list in docs/ARCHITECTURE.md.
///
/// Steps that few requests take are not inlined: they have async frames of their own, so that the frame of each request stays small.
/// Touched by its loop's thread only.
final class RequestPipeline: ExchangeHandler {
  let loop: EventLoop
  let log: Log
  let metrics: Metrics
  let catalogue: Catalogues
  private(set) var snapshot: Snapshot
  private var verifier: TokenVerifier
  /// Verifies the tokens of fronts; nil without a front.
  private(set) var frontVerifier: TokenVerifier?
  let caller: AdapterCaller
  let sharing: Sharing
  let waits: Sharing.Waits
  var random = IDNumbers()
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
    waits = Sharing.Waits(loop: loop)
    caller = AdapterCaller(loop: loop, readCodes: catalogue.readCodes)
    verifier = RequestPipeline.verifier(for: snapshot, loops: loops)
    frontVerifier = RequestPipeline.frontVerifier(for: snapshot)
  }

  private static func verifier(for snapshot: Snapshot, loops: Int) -> TokenVerifier {
    let cache = snapshot.configuration.auth.cache
    return TokenVerifier(keys: snapshot.keys, cacheCapacity: cache == 0 ? 0 : max(1, cache / loops))
  }

  private static func frontVerifier(for snapshot: Snapshot) -> TokenVerifier? {
    // A few programs, each with one token at a time.
    snapshot.routes.frontKeys.map { TokenVerifier(keys: $0, cacheCapacity: 64) }
  }

  /// Uses a snapshot for new requests; requests in flight keep theirs. Forgets the callers' tokens that the old keys have verified.
  func use(_ snapshot: Snapshot) {
    self.snapshot = snapshot
    verifier = RequestPipeline.verifier(for: snapshot, loops: loops)
    frontVerifier = RequestPipeline.frontVerifier(for: snapshot)
    caller.forgetTokens()
  }

  func serve(_ exchange: Exchange) async {
    let record = RequestRecord(exchange, wantsAccess: log.wantsAccess)
    exchange.record = record
    await respond(await response(to: exchange, record), exchange, record)
    finish(record, exchange)
  }

  /// Returns the response to a request: an upstream's, the catalogue's, or an error of the gateway's.
  @inline(__always)
  private func response(to exchange: Exchange, _ record: RequestRecord) async -> Response {
    do throws(GatewayError) {
      record.requestID = requestID(exchange)
      let route = try route(exchange, record)
      try authenticate(exchange, route, record)
      switch route.configuration.target {
      case .operation(let operation):
        let request = try await read(exchange, operation, route, record)
        return try await answer(request, route, exchange, record)
      case .token(let masked): return try await token(masked, route, exchange, record)
      case .resource(let kind): return try await resource(kind, route, exchange, record)
      case .front: return try await grantToken(route, exchange, record)
      case .notImplemented(let name): return try await notImplemented(name, route, exchange)
      }
    } catch {
      let error = exchange.isCut ? GatewayError.draining(error) : error
      record.failed(error)
      return Response(error, requestID: record.requestID, isWrite: record.isWrite)
    }
  }

  /// Returns the response to a request whose work does not end when it is cancelled: a write that was sent, a change of the catalogue,
  /// or a call that ignores cancellation.
  func responseToCut(_ exchange: Exchange) -> Response {
    let record = exchange.record as? RequestRecord
    let isWrite = record?.isWrite == true || record?.action?.isWrite == true
    let error = GatewayError(.draining, HTTPFault.drainTimeout.reason.description, mayHaveActed: isWrite)
    record?.failed(error)
    exchange.connection.server.countCut(isUnknownWrite: isWrite)
    return Response(error, requestID: record?.requestID ?? "", isWrite: isWrite)
  }

  // MARK: route

  private func requestID(_ exchange: Exchange) -> String {
    let own = exchange.bytes(exchange.head[.requestID])
    return RequestID.isValid(own) ? String(decoding: own, as: UTF8.self) : RequestID.make(random.next())
  }

  private func route(_ exchange: Exchange, _ record: RequestRecord) throws(GatewayError) -> Route {
    let head = exchange.head
    switch snapshot.routes.match(
      method: head.method, name: exchange.bytes(head.methodRange), path: exchange.bytes(head.path))
    {
    case .route(let route):
      record.route = route
      record.deadline = exchange.began.advanced(byNanoseconds: route.timeout)
      switch route.configuration.target {
      case .resource(let kind): record.action = try action(exchange, route, kind)
      case .front: record.route = try frontRoute(route, exchange)
      case .operation, .token, .notImplemented: break
      }
      return record.route ?? route
    case .notFound: throw .notFound
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow)
    }
  }

  /// Returns the action that the method and the rest of the path below a resource's route select.
  private func action(
    _ exchange: Exchange, _ route: Route, _ kind: ResourceKind
  ) throws(GatewayError) -> ResourceAction {
    let below = route.rest(of: exchange.bytes(exchange.head.path))
    switch ResourceAction.match(kind, method: exchange.head.method, below: below) {
    case .action(let action): return action
    case .notFound: throw .notFound
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow)
    }
  }

  // MARK: authenticate

  private func authenticate(_ exchange: Exchange, _ route: Route, _ record: RequestRecord) throws(GatewayError) {
    if let front = route.front { return try authenticate(exchange, at: front, route, record) }
    guard route.configuration.requiresToken else { return }
    switch verifier.authenticate(exchange.bytes(exchange.head[.authorization]), now: System.wall() / 1000) {
    case .refused(let refusal):
      throw .unauthorized(refusal.reason)
    case .principal(let principal):
      let roles = record.action?.isWrite == true ? route.writeRoles : route.roles
      guard roles.isEmpty || principal.hasAny(of: roles) else { throw .forbidden }
      record.subject = principal.subject ?? ""
    }
  }

  // MARK: read

  /// Returns an operation's request, with the whole body checked.
  @inline(__always)
  private func read(
    _ exchange: Exchange, _ operation: Operation, _ route: Route, _ record: RequestRecord
  ) async throws(GatewayError) -> AdapterRequest {
    // The head's bytes are gone after the first wait.
    let (fields, identifyingCount) = forwardedFields(exchange, requestID: record.requestID)
    if exchange.head.has(.contentType) {
      let type = exchange.bytes(exchange.head[.contentType])
      guard MediaType.isJSON(type) else { throw .unsupportedMediaType }
      guard MediaType.isUTF8(type) else { throw .unsupportedCharset }
    }
    let body = try await read(exchange, limit: route.configuration.maxBodySize)
    let mayBeEmpty = operation == .alarms || operation == .alarmConfigs
    if !(body.isEmpty && mayBeEmpty), let problem = JSONShape.check(body) { throw .badJSON(problem.message) }
    record.operation = operation
    return AdapterRequest(operation: operation, allFields: fields, identifyingCount: identifyingCount, body: body)
  }

  /// Returns the fields that may go upstream, an allow-list, and the number of their bytes that identify the request.
  private func forwardedFields(_ exchange: Exchange, requestID: String) -> (Fields, identifyingCount: Int) {
    let head = exchange.head
    var block: [UInt8] = []
    block.reserveCapacity(192)
    func add(_ name: StaticString, _ range: ByteRange) {
      guard !range.isEmpty else { return }
      name.withUTF8Buffer { block.append(contentsOf: $0) }
      block.append(contentsOf: exchange.bytes(range))
      block.append(0x0D)
      block.append(0x0A)
    }
    add("Content-Type: ", head[.contentType])
    add("Accept: ", head[.accept])
    add("prop: ", head[.property])
    let identifyingCount = block.count
    if !head[.traceparent].isEmpty, TraceContext.isValid(exchange.bytes(head[.traceparent])) {
      add("traceparent: ", head[.traceparent])
      add("tracestate: ", head[.tracestate])
    }
    block.append("X-Request-Id: ")
    block.append(text: requestID)
    block.append(0x0D)
    block.append(0x0A)
    return (Fields(checkedBlock: block), identifyingCount)
  }

  /// Returns the whole body. Inlined, because most bodies have arrived already and then need no async frame.
  @inline(__always)
  func read(_ exchange: Exchange, limit: Int) async throws(GatewayError) -> [UInt8] {
    if exchange.head.isEncoded, exchange.head.hasBody { throw .unsupportedCoding }
    do throws(HTTPFault) {
      if let atHand = try exchange.bodyAtHand(limit: limit) { return atHand }
      return try await exchange.body(limit: limit)
    } catch {
      throw GatewayError(error)
    }
  }

  // MARK: answer

  /// Returns an operation's response: shared where the route shares calls, else from a call of the request's own.
  @inline(__always)
  private func answer(
    _ request: AdapterRequest, _ route: Route, _ exchange: Exchange, _ record: RequestRecord
  ) async throws(GatewayError) -> Response {
    if let policy = route.sharing {
      let shared = try await share(request, policy, route, exchange, record)
      let headers = GatewayHeaders(
        requestID: record.requestID, source: shared.source(route.adapter.source), age: shared.cached?.age)
      return Response(shared.response, route, charge: shared.charge, headers)
    }
    let headers = GatewayHeaders(requestID: record.requestID, source: route.adapter.source)
    if let batch = route.batch { return Response(try await merge(request, batch, route, record), route, headers) }
    return Response(try await perform(request, route, exchange, record), route, headers)
  }

  /// Makes a call of the request's own.
  func perform(
    _ request: AdapterRequest, _ route: Route, _ exchange: Exchange, _ record: RequestRecord
  ) async throws(GatewayError) -> AdapterResponse {
    if request.operation.isWrite {
      // A write continues when its client leaves, so that it never ends half-way: the task is not cancelled.
      exchange.onGone = {}
      if log.wantsWrites { record.written = request.body }
    }
    defer { exchange.onGone = nil }
    let response = try await caller.response(
      to: request, from: route.adapter, deadline: record.deadline, requestID: record.requestID)
    record.upstreamResponded(response)
    return response
  }

  /// `GET /api/iot/token`: the upstream's token, for clients that need it.
  @inline(never)
  private func token(
    _ masked: Bool, _ route: Route, _ exchange: Exchange, _ record: RequestRecord
  ) async throws(GatewayError) -> Response {
    _ = try await read(exchange, limit: route.configuration.maxBodySize)
    let token = try await caller.token(for: route.adapter, deadline: record.deadline)
    let json = JSONWriter.object {
      $0.member("token", token.map { masked ? String($0.access.prefix(8)) + "..." : $0.access })
      $0.member("expiresAt", token.map { Int($0.expiresAt) })
      $0.member("active", token != nil)
      $0.member("adapter", route.adapter.name)
    }
    return Response(
      status: 200, fields: RequestPipeline.privateJSON, body: .bytes(json),
      gateway: GatewayHeaders(requestID: record.requestID, source: route.adapter.source))
  }

  static let privateJSON = Fields(
    checkedBlock: Array("Content-Type: application/json\r\nCache-Control: no-store\r\n".utf8))

  @inline(never)
  private func notImplemented(_ name: String, _ route: Route, _ exchange: Exchange) async throws(GatewayError)
    -> Response
  {
    _ = try await read(exchange, limit: route.configuration.maxBodySize)
    throw .unsupportedOperation(name)
  }

  // MARK: respond

  @inline(__always)
  private func respond(_ response: borrowing Response, _ exchange: Exchange, _ record: RequestRecord) async {
    do throws(AdapterError) {
      try await exchange.respond(response)
    } catch {
      record.breakage = error
      logBroken(error, record)
    }
  }

  private func logBroken(_ error: AdapterError, _ record: RequestRecord) {
    log.warning("a response broke off", [("requestId", "\(record.requestID)"), ("detail", "\(error.detail)")])
  }
}

extension Response {
  @inline(__always)
  fileprivate init(
    _ response: AdapterResponse, _ route: Route, charge: MemoryCharge? = nil, _ headers: GatewayHeaders
  ) {
    let status = route.configuration.businessErrors == .pass ? response.status : response.statusOfVerdict
    self.init(status: status, fields: response.fields, body: response.body, charge: charge, gateway: headers)
  }
}

extension AdapterResponse {
  /// The response's own status; for an error inside a 2xx response one that says who has to act: 422 the caller, 502 the upstream.
  var statusOfVerdict: Int {
    guard 200..<300 ~= status, case .businessError(let code) = verdict else { return status }
    return 400..<500 ~= code ? 422 : 502
  }
}
