import AdapterAPI
import CLinux
import Glibc
import Synchronization

/// Resolves host names to addresses on a thread of its own (`getaddrinfo` blocks), and caches them for 30 seconds.
final class Resolver: Sendable {
  struct Failure: Error { var detail: String }

  private struct Entry {
    var addresses: [SocketAddress]
    var validUntil: Instant
  }

  private typealias Outcome = Result<[SocketAddress], Failure>

  private struct State {
    var cache: [BaseURL: Entry] = [:]
    /// The waiters of each lookup under way. There is one lookup per name at a time, so that requests do not pile up behind a
    /// name server that hangs.
    var waiting: [BaseURL: [LoopBound<LoopWait<Outcome>>]] = [:]
  }

  private let state = Mutex(State())
  private let names = NameService()
  private static let lifetime = Duration.seconds(30)
  /// The time that a request with expired addresses waits for a lookup.
  private static let staleWait = Duration.seconds(1)

  /// Returns the addresses of the URL's host, from the cache where they are not older than 30 seconds. To be called on an event loop.
  ///
  /// - Throws: `Failure` when the name can't be resolved before the deadline and no earlier addresses are known.
  func addresses(of url: BaseURL, deadline: Instant) async throws(Failure) -> [SocketAddress] {
    let now = Instant(nanoseconds: System.monotonic())
    let cached = state.withLock { $0.cache[url] }
    if let cached, cached.validUntil > now { return cached.addresses }
    switch await lookUp(url, until: cached == nil ? deadline : min(deadline, now + Resolver.staleWait)) {
    case .success(let addresses): return addresses
    case .failure(let failure):
      // An expired address is better than none.
      if let cached { return cached.addresses }
      throw failure
    }
  }

  private func lookUp(_ url: BaseURL, until deadline: Instant) async -> Outcome {
    guard let loop = EventLoop.current else { return .failure(Failure(detail: "not on an event loop")) }
    let wait = LoopWait<Outcome>(loop: loop)
    let bound = LoopBound(wait, on: loop)
    let isFirst = state.withLock { state in
      state.waiting[url, default: []].append(bound)
      return state.waiting[url]?.count == 1
    }
    if isFirst {
      Task(executorPreference: loop) {
        let outcome = await self.names.lookUp(url)
        for waiter in self.finish(outcome, for: url) { waiter.loop.post { waiter.value.end(.value(outcome)) } }
      }
    }
    return switch await wait.wait(until: deadline) {
    case .value(let outcome): outcome
    case .timedOut: .failure(Failure(detail: "the upstream's name was not resolved in time"))
    case .cancelled: .failure(Failure(detail: "the caller left"))
    }
  }

  /// Caches the addresses. Returns the waiters to resume.
  private func finish(_ outcome: Outcome, for url: BaseURL) -> [LoopBound<LoopWait<Outcome>>] {
    let now = Instant(nanoseconds: System.monotonic())
    return state.withLock { state in
      if case .success(let addresses) = outcome {
        state.cache[url] = Entry(addresses: addresses, validUntil: now + Resolver.lifetime)
      }
      return state.waiting.removeValue(forKey: url) ?? []
    }
  }
}

/// Runs the blocking calls one after another on a thread of its own.
private actor NameService {
  private nonisolated let worker = WorkerThread()
  nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

  func lookUp(_ url: BaseURL) -> Result<[SocketAddress], Resolver.Failure> {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(url.host, String(url.port), &hints, &list)
    guard code == 0 else {
      return .failure(
        Resolver.Failure(detail: "the upstream's name can't be resolved: \(String(cString: gai_strerror(code)))"))
    }
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = list
    while let entry = next {
      let address = SocketAddress(entry.pointee.ai_addr, length: entry.pointee.ai_addrlen)
      if !addresses.contains(address) { addresses.append(address) }
      next = entry.pointee.ai_next
    }
    return .success(addresses)
  }
}
