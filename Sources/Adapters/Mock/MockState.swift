import AdapterAPI
import Synchronization

/// The mutable state of the mock adapter: the tokens it issued, and the written values.
final class MockState: Sendable {
  private struct Issued {
    var access: String
    var ends: Instant
    /// Nil after its use.
    var refresh: String?
  }

  /// The number of newest tokens kept; more than the host uses at a time.
  private static let maximumTokens = 64

  private let tokenLife: Duration
  private let issued = Mutex<[Issued]>([])
  private let written = Mutex(MockWrites())
  private let calls = Atomic<UInt64>(0)

  init(tokenLife: Duration) { self.tokenLife = tokenLife }

  /// Returns the number of this call, which decides whether it fails.
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

  /// Returns a new pair. Uses up the refresh token of `current`.
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
    guard isAccepted else {
      throw .refreshRejected("the mock adapter issued no such refresh token, or it has been used")
    }
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

  /// The number of values kept for one point.
  static let maximum = 8

  private var entries: [Int: [Entry]] = [:]

  mutating func add(_ value: Double, to index: Int, at time: Int64) {
    var list = entries[index] ?? []
    // Remove later entries, which exist when the clock was set back.
    list.removeAll { $0.time >= time }
    if list.count == Self.maximum { list.removeFirst() }
    list.append(Entry(value: value, time: time))
    entries[index] = list
  }

  /// Returns the value in force at a time, and the one before it; `previous` is nil when there was none.
  func inForce(_ index: Int, at time: Int64) -> (entry: Entry, previous: Double?)? {
    guard let list = entries[index], let last = list.lastIndex(where: { $0.time <= time }) else { return nil }
    return (list[last], last > 0 ? list[last - 1].value : nil)
  }
}
