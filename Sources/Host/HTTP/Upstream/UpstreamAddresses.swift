import AdapterAPI
import Synchronization

/// The addresses of one upstream. A name is looked up when the first connection needs it, and from then on again and again in the
/// background (`dns_refresh`). The last known addresses stay in use while a lookup runs, and when it fails.
final class UpstreamAddresses: Sendable {
  private struct State {
    var last: [SocketAddress] = []
    var renewal: Task<Void, Never>?
    var isClosed = false
  }

  private let url: BaseURL
  private let resolver: Resolver
  private let refresh: Duration
  /// The address where the host is numeric, so that nothing is looked up.
  private let numeric: [SocketAddress]?
  private let whenChanged: @Sendable ([SocketAddress]) -> Void
  private let state = Mutex(State())

  /// The time after which a failed lookup is repeated, where `dns_refresh` is not shorter.
  private static let pause = Duration.seconds(5)

  /// - Parameter whenChanged: Called with the new addresses when a later lookup finds different ones.
  init(
    of url: BaseURL, resolver: Resolver, refresh: Duration, whenChanged: @escaping @Sendable ([SocketAddress]) -> Void
  ) {
    self.url = url
    self.resolver = resolver
    self.refresh = refresh
    self.whenChanged = whenChanged
    numeric = SocketAddress(numeric: url.host, port: url.port).map { [$0] }
  }

  /// Returns the addresses, in the order of RFC 8305 §4. To be called on an event loop.
  ///
  /// - Throws: `Resolver.Failure` when none are known and none are found before the deadline.
  func current(deadline: Instant) async throws(Resolver.Failure) -> [SocketAddress] {
    if let numeric { return numeric }
    let entry = try await resolver.entry(of: url, deadline: deadline)
    note(entry.addresses)
    renewLater(from: entry.since + refresh)
    return entry.addresses
  }

  /// Ends the lookups in the background.
  func shutdown() {
    let renewal = state.withLock { state in
      state.isClosed = true
      return state.renewal
    }
    renewal?.cancel()
  }

  private func note(_ addresses: [SocketAddress]) {
    let isChanged = state.withLock { state in
      defer { state.last = addresses }
      return !state.last.isEmpty && Set(state.last) != Set(addresses)
    }
    if isChanged { whenChanged(addresses) }
  }

  // MARK: renewal

  private func renewLater(from first: Instant) {
    guard let loop = EventLoop.current, state.withLock({ $0.renewal == nil && !$0.isClosed }) else { return }
    let renewal = Task(executorPreference: loop) { [weak self] in
      var next = first
      while case .timedOut = await LoopWait<Never>(loop: loop).wait(until: next), let self {
        next = loop.now + (await self.renew())
      }
    }
    let isWanted = state.withLock { state in
      guard state.renewal == nil, !state.isClosed else { return false }
      state.renewal = renewal
      return true
    }
    // Another loop was faster, or the upstream has been shut down.
    if !isWanted { renewal.cancel() }
  }

  /// Returns the time until the next renewal.
  private func renew() async -> Duration {
    switch await resolver.lookUp(url, deadline: .distantFuture) {
    case .success(let addresses):
      note(addresses)
      return refresh
    case .failure: return min(refresh, Self.pause)
    }
  }
}
