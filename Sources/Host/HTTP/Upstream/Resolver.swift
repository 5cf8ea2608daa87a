import AdapterAPI
import CLinux
import Glibc
import Synchronization

/// Looks up host names and remembers their addresses.
///
/// `getaddrinfo` blocks as long as a name server is silent, so each lookup has a thread of its own: a name that hangs delays no other
/// name. There is one lookup per name at a time, so there are never more threads than names in the configurations of this process.
final class Resolver: Sendable {
  struct Failure: Error {
    var detail: String
    init(_ detail: String) { self.detail = detail }
  }

  typealias Outcome = Result<[SocketAddress], Failure>
  /// Returns the addresses of a host with this port. Blocks its thread.
  typealias LookUp = @Sendable (_ host: String, _ port: UInt16) -> Outcome

  /// The addresses of a name, and the time of the lookup that found them.
  struct Entry: Sendable {
    var addresses: [SocketAddress]
    var since: Instant
  }

  private struct Name: Hashable {
    var host: String
    var port: UInt16
  }

  private typealias Waiter = LoopBound<LoopWait<Outcome>>

  private struct State {
    var entries: [Name: Entry] = [:]
    /// The lookups under way, each with its waiters by number.
    var lookups: [Name: [Int: Waiter]] = [:]
    var waiters = 0
  }

  private let state = Mutex(State())
  private let limit: Int
  private let blockingLookUp: LookUp

  /// - Parameters:
  ///   - limit: The largest number of lookups under way.
  ///   - lookUp: Finds the addresses of a name, on a thread of its own.
  init(limit: Int = 256, lookUp: @escaping LookUp = Resolver.systemLookUp) {
    self.limit = limit
    blockingLookUp = lookUp
  }

  /// Returns the addresses of the URL's host: those of the last successful lookup however old they are, else those of a new one. To
  /// be called on an event loop.
  ///
  /// - Throws: `Failure` when the name can't be resolved before the deadline.
  func entry(of url: BaseURL, deadline: Instant) async throws(Failure) -> Entry {
    let name = Name(host: url.host, port: url.port)
    if let known = state.withLock({ $0.entries[name] }) { return known }
    let addresses = try await lookUp(url, deadline: deadline).get()
    return state.withLock { $0.entries[name] } ?? Entry(addresses: addresses, since: Resolver.now)
  }

  /// Looks the URL's host up, or waits for the lookup under way. To be called on an event loop.
  func lookUp(_ url: BaseURL, deadline: Instant) async -> Outcome {
    guard let loop = EventLoop.current else { return .failure(Failure("not on an event loop")) }
    let name = Name(host: url.host, port: url.port)
    let wait = LoopWait<Outcome>(loop: loop)
    let waiter = LoopBound(wait, on: loop)
    let (number, isFirst) = state.withLock { state -> (Int?, Bool) in
      let isFirst = state.lookups[name] == nil
      guard !isFirst || state.lookups.count < limit else { return (nil, false) }
      state.waiters += 1
      state.lookups[name, default: [:]][state.waiters] = waiter
      return (state.waiters, isFirst)
    }
    guard let number else {
      return .failure(Failure("\(limit) names are being looked up and none has an answer yet; '\(name.host)' is not"))
    }
    if isFirst { start(name) }
    switch await wait.wait(until: deadline) {
    case .value(let outcome): return outcome
    case .timedOut:
      leave(name, number)
      return .failure(Failure("the name '\(name.host)' was not resolved in time"))
    case .cancelled:
      leave(name, number)
      return .failure(Failure("the caller left"))
    }
  }

  private func start(_ name: Name) {
    let status = DetachedThread.start { [self] in
      finish(name, Resolver.interleaved(blockingLookUp(name.host, name.port), name))
    }
    guard status != 0 else { return }
    finish(name, .failure(Failure("no thread to look up '\(name.host)': \(System.errorText(status))")))
  }

  /// Remembers the addresses and resumes the waiters.
  private func finish(_ name: Name, _ outcome: Outcome) {
    let waiters = state.withLock { state in
      if case .success(let addresses) = outcome {
        state.entries[name] = Entry(addresses: addresses, since: Resolver.now)
      }
      return state.lookups.removeValue(forKey: name) ?? [:]
    }
    for waiter in waiters.values { waiter.loop.post { waiter.value.end(.value(outcome)) } }
  }

  private func leave(_ name: Name, _ number: Int) {
    state.withLock { _ = $0.lookups[name]?.removeValue(forKey: number) }
  }

  private static var now: Instant { Instant(nanoseconds: System.monotonic()) }

  // MARK: addresses

  /// Puts the addresses into the order in which they are tried: the families take turns (RFC 8305 §4).
  private static func interleaved(_ outcome: Outcome, _ name: Name) -> Outcome {
    guard case .success(let addresses) = outcome else { return outcome }
    guard let first = addresses.first else { return .failure(Failure("the name '\(name.host)' has no address")) }
    var families = [addresses.filter { $0.family == first.family }, addresses.filter { $0.family != first.family }]
    var order: [SocketAddress] = []
    while !(families[0].isEmpty && families[1].isEmpty) {
      for index in families.indices where !families[index].isEmpty {
        let next = families[index].removeFirst()
        if !order.contains(next) { order.append(next) }
      }
    }
    return .success(order)
  }

  /// Asks the system: `/etc/hosts`, the name servers, and what else `nsswitch.conf` names.
  static func systemLookUp(_ host: String, _ port: UInt16) -> Outcome {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    // `/etc/hosts` has no absolute names; of these only this one always means the same machine without its dot (RFC 6761 §6.3).
    // Without the dot of any other one, the system would add its search domains, and might find another machine.
    let code = getaddrinfo(host == "localhost." ? "localhost" : host, String(port), &hints, &list)
    guard code == 0 else {
      return .failure(Failure("the name '\(host)' can't be resolved: \(String(cString: gai_strerror(code)))"))
    }
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = list
    while let entry = next {
      addresses.append(SocketAddress(entry.pointee.ai_addr, length: entry.pointee.ai_addrlen))
      next = entry.pointee.ai_next
    }
    return .success(addresses)
  }
}
