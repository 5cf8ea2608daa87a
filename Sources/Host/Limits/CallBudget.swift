/// A limit of calls to an upstream per minute, hour and day. It decides and has no clock; times are in nanoseconds of one clock.
///
/// In no interval as long as a period are there more calls than its limit, wherever the interval begins. A tenth of each limit, at
/// least one call, is reserved for writes. Renewals of cached responses are unrestricted until half of the rest is used. From then
/// on the rest is spread evenly over the time until earlier calls no longer count, so that cached responses grow older gradually
/// instead of being renewed no longer.
struct CallBudget {
  typealias Limits = Configuration.Budget

  /// The purpose of a call.
  enum Purpose: Sendable {
    /// A change. Refused only when no call is left.
    case write
    /// A read that a caller waits for, without a cached response to give instead.
    case read
    /// A read that renews a cached response.
    case renewal
  }

  private var periods: [Period]

  init(_ limits: Limits) {
    periods = [(limits.perMinute, 60), (limits.perHour, 3600), (limits.perDay, 86400)]
      .filter { $0.0 > 0 }.map { Period(limit: $0.0, seconds: $0.1) }
  }

  /// Returns the time at which a call may be made. A call may be made at once if that is not after `now`.
  mutating func ready(for purpose: Purpose, at now: Int64) -> Int64 {
    var ready = now
    for index in periods.indices {
      periods[index].advance(to: now)
      ready = max(ready, periods[index].ready(for: purpose, at: now))
    }
    return ready
  }

  /// Counts a call, whether or not one was left.
  mutating func spend(at now: Int64) {
    for index in periods.indices {
      periods[index].advance(to: now)
      periods[index].spend(at: now)
    }
  }

  /// Returns the calls that are left in a period; nil when it has no limit.
  mutating func remaining(inSeconds seconds: Int64, at now: Int64) -> Int? {
    guard let index = periods.firstIndex(where: { $0.seconds == seconds }) else { return nil }
    periods[index].advance(to: now)
    return periods[index].remaining
  }

  /// Takes the last call back, because it was not made.
  mutating func giveBack(at now: Int64) {
    for index in periods.indices {
      periods[index].advance(to: now)
      periods[index].giveBack()
    }
  }
}

/// The calls of one period, counted in sixty parts and the current one.
private struct Period {
  private static let parts = 60
  let seconds: Int64
  private let limit: Int
  /// The limit without the calls that are reserved for writes.
  private let readLimit: Int
  /// In nanoseconds.
  private let partLength: Int64
  /// Indexed by the number of the part modulo the size; the parts from `newest - parts` to `newest` count.
  private var counts = [Int](repeating: 0, count: Period.parts + 1)
  private var newest: Int64 = 0
  private var spent = 0
  private var last = Int64.min

  init(limit: Int, seconds: Int64) {
    self.seconds = seconds
    self.limit = limit
    readLimit = limit > 1 ? limit - max(1, limit / 10) : limit
    partLength = seconds * 1_000_000_000 / Int64(Period.parts)
  }

  mutating func advance(to now: Int64) {
    let part = now / partLength
    guard part > newest else { return }
    if part - newest > Int64(Period.parts) {
      counts = [Int](repeating: 0, count: counts.count)
      spent = 0
    } else {
      for old in newest + 1...part {
        let index = Int(old % Int64(counts.count))
        spent -= counts[index]
        counts[index] = 0
      }
    }
    newest = part
  }

  mutating func spend(at now: Int64) {
    counts[Int(newest % Int64(counts.count))] += 1
    spent += 1
    last = max(last, now)
  }

  var remaining: Int { max(0, limit - spent) }

  mutating func giveBack() {
    // From the part before, if it has just ended. An older call continues to count, which errs on the safe side.
    for part in [newest, newest - 1] where part >= 0 {
      let index = Int(part % Int64(counts.count))
      guard counts[index] > 0 else { continue }
      counts[index] -= 1
      spent -= 1
      return
    }
  }

  func ready(for purpose: CallBudget.Purpose, at now: Int64) -> Int64 {
    let ceiling = purpose == .write ? limit : readLimit
    guard spent < ceiling else { return room(below: ceiling) }
    guard purpose == .renewal, spent >= (ceiling + 1) / 2 else { return now }
    return max(now, last + pace(ceiling))
  }

  /// Returns the time from which fewer than `ceiling` calls count.
  private func room(below ceiling: Int) -> Int64 {
    var left = spent
    for (count, end) in parts {
      left -= count
      if left < ceiling { return end }
    }
    return .max
  }

  /// Returns the shortest interval between two calls, from the last one on, with which the budget is never used up.
  private func pace(_ ceiling: Int) -> Int64 {
    var available = Int64(ceiling - spent)
    var pace: Int64 = 0
    for (count, end) in parts {
      // The number of calls until this part stops counting, with an equal interval before each of them and after the last.
      pace = max(pace, (end - last) / (available + 1))
      available += Int64(count)
    }
    return pace
  }

  /// The parts that have calls, oldest first, each with the time when it stops counting.
  private var parts: some Sequence<(count: Int, end: Int64)> {
    let oldest = max(0, newest - Int64(Period.parts))
    return (oldest...newest).lazy.compactMap { part in
      let count = counts[Int(part % Int64(counts.count))]
      return count == 0 ? nil : (count, (part + Int64(Period.parts) + 1) * partLength)
    }
  }
}
