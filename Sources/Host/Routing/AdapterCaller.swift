import AdapterAPI

/// Calls adapters on one loop with a valid token, and once more with a new token when the upstream rejects it. Counts each call.
///
/// Requests, shared calls and syncs all use it. Touched by its loop's thread only.
final class AdapterCaller {
  private let loop: EventLoop
  /// This loop's copies of the upstreams' tokens. A handful, so a linear search is the fastest.
  private var tokens: [TokenCopy] = []
  private let readCodes: ReadCodes
  private var readLists = ReadLists()

  private struct TokenCopy {
    let keeper: TokenKeeper
    var current: TokenKeeper.Current?
    /// The last generation that the upstream has accepted.
    var accepted = -1
  }

  init(loop: EventLoop, readCodes: ReadCodes) {
    self.loop = loop
    self.readCodes = readCodes
  }

  /// Drops the copies, because their keepers may have ended.
  func forgetTokens() { tokens = [] }

  /// Returns the operation's response. A write moves the upstream's write epoch when it starts and when it ends, however it ends.
  ///
  /// - Parameter isRenewal: there is an older response that can be used instead, so the call leaves some of the budget to calls without
  ///   one.
  func response(
    to request: AdapterRequest, from adapter: AdapterInstance, deadline: Instant, requestID: String,
    isRenewal: Bool = false
  ) async throws(GatewayError) -> AdapterResponse {
    if request.operation.isWrite { adapter.writes.writeBegins() }
    defer { if request.operation.isWrite { adapter.writes.writeEnds() } }
    return try await withToken(of: adapter, deadline: deadline) { token throws(AdapterError) in
      try await call(request, token, adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal)
    }
  }

  /// Returns the response or error as a value, for several requests. Inlined, which saves most requests an async frame.
  @inline(__always)
  func result(
    of request: AdapterRequest, from adapter: AdapterInstance, deadline: Instant, requestID: String, isRenewal: Bool
  ) async -> Sharing.CallResult {
    do throws(GatewayError) {
      return .success(
        try await response(
          to: request, from: adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal))
    } catch {
      return .failure(error)
    }
  }

  // MARK: token

  /// Returns this loop's copy of the token while it is outside the renewal window: no lock, no wait.
  private func copiedToken(for adapter: AdapterInstance) -> Token? {
    guard let keeper = adapter.keeper, let copy = tokens[copy(of: keeper)].current,
      copy.generation == keeper.generation,
      loop.now < copy.refreshAt
    else { return nil }
    return copy.token
  }

  /// Returns a token that is valid for this call, from the keeper; nil for an adapter without tokens.
  func token(for adapter: AdapterInstance, deadline: Instant) async throws(GatewayError) -> Token? {
    guard let keeper = adapter.keeper else { return nil }
    do throws(KeeperError) {
      let token = try await keeper.token(deadline: deadline)
      tokens[copy(of: keeper)].current = keeper.current
      return token
    } catch {
      throw .noToken(error.description, retryAfter: error.retryAfter)
    }
  }

  /// Returns a new token when the upstream rejected the old one; throws every other error on. The upstream rejects a token before it
  /// acts, so a write may be repeated too: once, here and nowhere else.
  private func replacement(
    of token: Token?, after error: AdapterError, _ adapter: AdapterInstance, deadline: Instant
  ) async throws(GatewayError) -> Token {
    guard error.code == .tokenRejected, let token, let keeper = adapter.keeper else { throw GatewayError(error) }
    do throws(KeeperError) {
      return try await keeper.replace(rejected: token, deadline: deadline)
    } catch {
      throw .noToken(error.description, retryAfter: error.retryAfter, upstreamClass: .rejectedToken)
    }
  }

  /// Runs `body` with a token of the adapter's upstream, and once more with a new one when the upstream rejects it. Inlined, because
  /// every request uses it.
  @inline(__always)
  func withToken<Value>(
    of adapter: AdapterInstance, deadline: Instant, _ body: (Token?) async throws(AdapterError) -> Value
  ) async throws(GatewayError) -> Value {
    var token = copiedToken(for: adapter)
    if token == nil { token = try await self.token(for: adapter, deadline: deadline) }
    var isRepeated = false
    while true {
      do throws(AdapterError) {
        return try await body(token)
      } catch {
        guard !isRepeated else { throw GatewayError(error) }
        token = try await replacement(of: token, after: error, adapter, deadline: deadline)
        isRepeated = true
      }
    }
  }

  /// Tells the keeper that the upstream accepts a token, once for each token.
  func accepted(_ token: Token, _ adapter: AdapterInstance) {
    guard let keeper = adapter.keeper else { return }
    let index = copy(of: keeper)
    guard tokens[index].accepted != keeper.generation else { return }
    tokens[index].accepted = keeper.generation
    keeper.accepted(token)
  }

  /// Returns the index of a keeper's copy.
  private func copy(of keeper: TokenKeeper) -> Int {
    if let index = tokens.firstIndex(where: { $0.keeper === keeper }) { return index }
    tokens.append(TokenCopy(keeper: keeper))
    return tokens.count - 1
  }

  // MARK: adapter

  /// Hands a response over whose list of codes is new, so that a sync can offer the codes as objects.
  private func remember(
    _ request: AdapterRequest, _ response: AdapterResponse, _ upstream: String, _ adapter: AdapterInstance
  ) {
    guard response.verdict == .ok, readLists.isNew(request.body, adapter.number, at: loop.now) else { return }
    if readCodes.offer(response.body.prefix, from: upstream, on: loop) {
      readLists.insert(request.body, adapter.number)
    }
  }

  /// Calls the adapter once, within its budget, and counts the call.
  private func call(
    _ request: AdapterRequest, _ token: Token?, _ adapter: AdapterInstance, deadline: Instant, requestID: String,
    isRenewal: Bool
  ) async throws(AdapterError) -> AdapterResponse {
    let began = System.monotonic()
    adapter.metrics.inFlight.add(1)
    defer { adapter.metrics.inFlight.add(-1) }
    let operation = request.operation
    do throws(AdapterError) {
      try adapter.budget?.take(operation.isWrite ? .write : isRenewal ? .renewal : .read)
      let call = Call(token: token, deadline: deadline, requestID: requestID)
      let response: AdapterResponse
      if let raw = adapter.raw {
        let outgoing = try raw.adapter.outgoing(request, call)
        response = try raw.adapter.response(
          to: request, try await raw.client.send(outgoing, on: loop, deadline: deadline))
      } else {
        response = try await adapter.adapter.perform(request, call)
      }
      adapter.metrics.count(response, operation, nanoseconds: System.monotonic() - began)
      if let token { accepted(token, adapter) }
      if let upstream = adapter.readCodes, operation == .values { remember(request, response, upstream, adapter) }
      return response
    } catch {
      adapter.budget?.failed(error)
      adapter.metrics.count(error, operation, nanoseconds: System.monotonic() - began)
      throw error
    }
  }
}

extension AdapterCaller {
  /// Returns one page of the upstream's objects.
  func objects(
    _ cursor: String?, of adapter: AdapterInstance, _ call: Call
  ) async throws(AdapterError) -> ObjectPage {
    do throws(AdapterError) {
      try adapter.budget?.take(.read)
      let page = try await adapter.adapter.objects(cursor, call)
      if let token = call.token { accepted(token, adapter) }
      return page
    } catch {
      adapter.budget?.failed(error)
      throw error
    }
  }
}

extension AdapterMetrics {
  fileprivate func count(_ response: AdapterResponse, _ operation: Operation, nanoseconds: Int64) {
    record(operation, UpstreamClass(response.verdict), nanoseconds: nanoseconds)
    if operation.isWrite { recordWrite(operation, response.verdict == .ok ? .ok : .businessError) }
  }

  fileprivate func count(_ error: AdapterError, _ operation: Operation, nanoseconds: Int64) {
    if let outcome = UpstreamClass(error.code) {
      record(operation, outcome, nanoseconds: outcome == .shed ? nil : nanoseconds)
    }
    if operation.isWrite, let outcome = WriteOutcome(error) { recordWrite(operation, outcome) }
  }
}
