import AdapterAPI

/// Calls adapters on one loop: with a token that is good for the call, and with a new one once more where the upstream refuses
/// ours. Counts each call.
///
/// A request, a call that several requests share, and a sync all go through it. Touched by its loop's thread only.
final class AdapterCaller {
  private let loop: EventLoop
  /// This loop's copies of the upstreams' tokens; a handful, so searched by hand.
  private var tokens: [TokenCopy] = []

  private struct TokenCopy {
    let keeper: TokenKeeper
    var current: TokenKeeper.Current?
    /// The generation that the upstream is known to take.
    var proven = -1
  }

  init(loop: EventLoop) { self.loop = loop }

  /// Lets the copies go: their keepers may have ended.
  func forgetTokens() { tokens = [] }

  /// The operation's answer. A write raises the upstream's epoch when it starts and when it ends, however it ends.
  ///
  /// - Parameter isRenewal: There is an older answer that can be given instead: such calls go easy on the adapter's budget.
  func answer(
    to request: AdapterRequest, from adapter: AdapterInstance, deadline: Instant, requestID: String,
    isRenewal: Bool = false
  ) async throws(GatewayError) -> AdapterResponse {
    if request.operation.isWrite { adapter.writes.writeBegins() }
    defer { if request.operation.isWrite { adapter.writes.writeEnds() } }
    return try await withToken(of: adapter, deadline: deadline) { token throws(AdapterError) in
      try await call(request, token, adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal)
    }
  }

  /// The same as a value, for an answer or error that may be several callers'. Inlined, as one step less on most requests' way.
  @inline(__always)
  func result(
    of request: AdapterRequest, from adapter: AdapterInstance, deadline: Instant, requestID: String, isRenewal: Bool
  ) async -> Sharing.CallResult {
    do throws(GatewayError) {
      return .success(
        try await answer(
          to: request, from: adapter, deadline: deadline, requestID: requestID, isRenewal: isRenewal))
    } catch {
      return .failure(error)
    }
  }

  // MARK: token

  /// This loop's copy of the token, while it is fresh: no lock, no wait.
  private func tokenAtHand(for adapter: AdapterInstance) -> Token? {
    guard let keeper = adapter.keeper, let copy = tokens[copy(of: keeper)].current,
      copy.generation == keeper.generation,
      loop.now < copy.refreshAt
    else { return nil }
    return copy.token
  }

  /// A token that is good for this call, from the keeper; nil for an adapter that uses none.
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

  /// One new token where the upstream refused ours; any other error is thrown on. It refused before acting, so that a write may
  /// be repeated too, once, here and nowhere else.
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

  /// Runs `body` with a token of the adapter's upstream; once more with a new one where the upstream refuses ours. Inlined, for
  /// every request comes through it.
  @inline(__always)
  func withToken<Value>(
    of adapter: AdapterInstance, deadline: Instant, _ body: (Token?) async throws(AdapterError) -> Value
  ) async throws(GatewayError) -> Value {
    var token = tokenAtHand(for: adapter)
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

  /// Tells the keeper, once for each token, that the upstream takes it.
  func accepted(_ token: Token, _ adapter: AdapterInstance) {
    guard let keeper = adapter.keeper else { return }
    let index = copy(of: keeper)
    guard tokens[index].proven != keeper.generation else { return }
    tokens[index].proven = keeper.generation
    keeper.accepted(token)
  }

  private func copy(of keeper: TokenKeeper) -> Int {
    if let index = tokens.firstIndex(where: { $0.keeper === keeper }) { return index }
    tokens.append(TokenCopy(keeper: keeper))
    return tokens.count - 1
  }

  // MARK: adapter

  /// One call to the adapter, counted.
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
      let answer: AdapterResponse
      if let raw = adapter.raw {
        let outgoing = try raw.adapter.outgoing(request, call)
        answer = try raw.adapter.response(
          to: request, try await raw.client.send(outgoing, on: loop, deadline: deadline))
      } else {
        answer = try await adapter.adapter.perform(request, call)
      }
      adapter.metrics.count(answer, operation, nanoseconds: System.monotonic() - began)
      if let token { accepted(token, adapter) }
      return answer
    } catch {
      adapter.budget?.failed(error)
      adapter.metrics.count(error, operation, nanoseconds: System.monotonic() - began)
      throw error
    }
  }
}

extension AdapterCaller {
  /// One page of what the upstream has.
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
  /// An adapter answered.
  fileprivate func count(_ answer: AdapterResponse, _ operation: Operation, nanoseconds: Int64) {
    record(operation, UpstreamClass(answer.verdict), nanoseconds: nanoseconds)
    if operation.isWrite { recordWrite(operation, answer.verdict == .ok ? .ok : .businessError) }
  }

  /// An adapter did not.
  fileprivate func count(_ error: AdapterError, _ operation: Operation, nanoseconds: Int64) {
    if let outcome = UpstreamClass(error.code) {
      record(operation, outcome, nanoseconds: outcome == .shed ? nil : nanoseconds)
    }
    if operation.isWrite, error.code != .tokenRejected {
      recordWrite(operation, error.mayHaveActed ? .unknown : .failed)
    }
  }
}
