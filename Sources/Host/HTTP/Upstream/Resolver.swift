import AdapterAPI
import CLinux
import Glibc
import Synchronization

/// Names to addresses, on a thread of its own (`getaddrinfo` blocks), remembered for half a minute.
final class Resolver: Sendable {
  struct Failure: Error { var detail: String }

  private struct Entry {
    var addresses: [SocketAddress]
    var goodUntil: Instant
  }

  private typealias Answer = Result<[SocketAddress], Failure>

  private struct State {
    var known: [BaseURL: Entry] = [:]
    /// Who waits for a name that is being looked up. One look-up for all of them: a resolver that hangs is not asked again by
    /// every call.
    var waiting: [BaseURL: [LoopBound<LoopWait<Answer>>]] = [:]
  }

  private let state = Mutex(State())
  private let names = NameService()
  private static let keep = Duration.seconds(30)
  /// How long a call waits for an answer while it knows addresses that were right a while ago.
  private static let patience = Duration.seconds(1)

  func addresses(of url: BaseURL, deadline: Instant) async throws(Failure) -> [SocketAddress] {
    let now = Instant(nanoseconds: System.monotonic())
    let remembered = state.withLock { $0.known[url] }
    if let remembered, remembered.goodUntil > now { return remembered.addresses }
    switch await lookUp(url, until: remembered == nil ? deadline : min(deadline, now + Resolver.patience)) {
    case .success(let addresses): return addresses
    case .failure(let failure):
      // An address that was right a while ago is better than none.
      if let remembered { return remembered.addresses }
      throw failure
    }
  }

  private func lookUp(_ url: BaseURL, until deadline: Instant) async -> Answer {
    guard let loop = EventLoop.current else { return .failure(Failure(detail: "not on an event loop")) }
    let wait = LoopWait<Answer>(loop: loop)
    let bound = LoopBound(wait, on: loop)
    let isFirst = state.withLock { state in
      state.waiting[url, default: []].append(bound)
      return state.waiting[url]?.count == 1
    }
    if isFirst {
      Task(executorPreference: loop) {
        let answer = await self.names.lookUp(url)
        for waiter in self.take(answer, for: url) { waiter.loop.post { waiter.value.end(.value(answer)) } }
      }
    }
    return switch await wait.wait(until: deadline) {
    case .value(let answer): answer
    case .timedOut: .failure(Failure(detail: "the upstream's name was not resolved in time"))
    case .cancelled: .failure(Failure(detail: "the caller left"))
    }
  }

  /// Remembers the answer; whom to tell.
  private func take(_ answer: Answer, for url: BaseURL) -> [LoopBound<LoopWait<Answer>>] {
    let now = Instant(nanoseconds: System.monotonic())
    return state.withLock { state in
      if case .success(let addresses) = answer {
        state.known[url] = Entry(addresses: addresses, goodUntil: now + Resolver.keep)
      }
      return state.waiting.removeValue(forKey: url) ?? []
    }
  }
}

/// The blocking calls, one after another on a thread of their own.
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
