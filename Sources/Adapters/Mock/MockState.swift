import AdapterAPI
import Synchronization

/// What the mock remembers: the tokens it issued, and what was written.
final class MockState: Sendable {
  private struct Issued {
    var access: String
    var ends: Instant
    /// Nil once it has been used.
    var refresh: String?
  }

  /// The newest tokens; more than a keeper ever holds at a time.
  private static let maximumTokens = 64

  private let tokenLife: Duration
  private let issued = Mutex<[Issued]>([])
  private let written = Mutex(MockWrites())
  private let calls = Atomic<UInt64>(0)

  init(tokenLife: Duration) { self.tokenLife = tokenLife }

  /// The number of this call, for deciding which ones fail.
  func nextCall() -> UInt64 { calls.add(1, ordering: .relaxed).newValue }

  var writes: MockWrites { written.withLock { $0 } }

  func write(_ values: [(index: Int, value: Double)], at time: Int64) {
    written.withLock { writes in
      for (index, value) in values { writes.add(value, to: index, at: time) }
    }
  }

  func accepts(_ token: Token, now: Instant) -> Bool {
    issued.withLock { all in all.contains { $0.access == token.access && now < $0.ends } }
  }

  /// A new pair; the refresh token of `current` is used up by it.
  func issueToken(for current: Token?, now: Instant, wall: Int64) throws(AdapterError) -> Token {
    let token = try Token(
      access: "mock-access-\(Self.random())", refresh: "mock-refresh-\(Self.random())",
      expiresAt: wall + tokenLife.milliseconds, lifetime: tokenLife.milliseconds)
    let isAccepted = issued.withLock { all in
      if let current {
        guard let index = all.firstIndex(where: { $0.refresh == current.refresh }) else { return false }
        all[index].refresh = nil
      }
      if all.count == Self.maximumTokens { all.removeFirst() }
      all.append(Issued(access: token.access, ends: now + tokenLife, refresh: token.refresh))
      return true
    }
    guard isAccepted else { throw .refreshRejected("the mock issued no such refresh token, or it has been used") }
    return token
  }

  private static func random() -> String {
    String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
  }
}

/// The last values written to each point, oldest first.
struct MockWrites: Sendable {
  struct Entry {
    var value: Double
    /// Seconds since the epoch.
    var time: Int64
  }

  /// How many are kept for one point.
  static let maximum = 8

  private var entries: [Int: [Entry]] = [:]

  mutating func add(_ value: Double, to index: Int, at time: Int64) {
    var list = entries[index] ?? []
    // A clock that was set back must not leave later entries behind.
    list.removeAll { $0.time >= time }
    if list.count == Self.maximum { list.removeFirst() }
    list.append(Entry(value: value, time: time))
    entries[index] = list
  }

  /// The value in force at that time, and the one before it (nil: the point's own course).
  func inForce(_ index: Int, at time: Int64) -> (entry: Entry, previous: Double?)? {
    guard let list = entries[index], let last = list.lastIndex(where: { $0.time <= time }) else { return nil }
    return (list[last], last > 0 ? list[last - 1].value : nil)
  }
}
