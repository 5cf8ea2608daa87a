/// How many more calls an upstream may be asked for, per minute, hour and day. Decides; has no clock.
///
/// In no stretch of time as long as a period are there more calls than its limit, wherever the stretch begins. A tenth of each
/// limit, at least one call, is kept for writes. A call that only renews an answer that there is, is free as long as less
/// than half of the rest is used; from then on what is left is spread evenly over the time until calls of the past no longer
/// count, so that answers grow older by and by instead of stopping to change.
struct CallBudget {
  typealias Limits = Configuration.Budget

  /// What a call is for.
  enum Purpose: Sendable {
    /// Something is changed: refused only when nothing at all is left.
    case write
    /// Somebody waits for it, and there is nothing else to give.
    case read
    /// There is an older answer that can be given instead.
    case renewal
  }

  private var periods: [Period]

  init(_ limits: Limits) {
    periods = [(limits.perMinute, 60), (limits.perHour, 3600), (limits.perDay, 86400)]
      .filter { $0.0 > 0 }.map { Period(limit: $0.0, seconds: $0.1) }
  }

  /// When a call may be made, in nanoseconds of the same clock; not after `now`: at once.
  mutating func ready(for purpose: Purpose, at now: Int64) -> Int64 {
    var ready = now
    for index in periods.indices {
      periods[index].advance(to: now)
      ready = max(ready, periods[index].ready(for: purpose, at: now))
    }
    return ready
  }

  /// A call is made, whether or not there was one left.
  mutating func spend(at now: Int64) {
    for index in periods.indices {
      periods[index].advance(to: now)
      periods[index].spend(at: now)
    }
  }

  /// The last call did not go out after all.
  mutating func giveBack(at now: Int64) {
    for index in periods.indices {
      periods[index].advance(to: now)
      periods[index].giveBack()
    }
  }
}

/// The calls of one period, counted in sixty parts of it and the one under way.
private struct Period {
  private static let parts = 60
  private let limit: Int
  /// What writes leave for the rest.
  private let readLimit: Int
  /// In nanoseconds.
  private let partLength: Int64
  /// By number of the part; those between `newest - parts` and `newest` count.
  private var counts = [Int](repeating: 0, count: Period.parts + 1)
  private var newest: Int64 = 0
  private var spent = 0
  private var last = Int64.min

  init(limit: Int, seconds: Int64) {
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

  mutating func giveBack() {
    // In the part before, if that has just ended; one that lies further back goes on counting, which harms nobody.
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

  /// When fewer than `ceiling` calls count.
  private func room(below ceiling: Int) -> Int64 {
    var left = spent
    for (count, end) in parts {
      left -= count
      if left < ceiling { return end }
    }
    return .max
  }

  /// The shortest time between two calls, kept up since the last one, with which nobody ever finds the budget used up.
  private func pace(_ ceiling: Int) -> Int64 {
    var available = Int64(ceiling - spent)
    var pace: Int64 = 0
    for (count, end) in parts {
      // So many calls until this part stops counting, with as long before each of them and after the last.
      pace = max(pace, (end - last) / (available + 1))
      available += Int64(count)
    }
    return pace
  }

  /// The parts in which there were calls, the oldest first, each with the time when it stops counting.
  private var parts: some Sequence<(count: Int, end: Int64)> {
    let oldest = max(0, newest - Int64(Period.parts))
    return (oldest...newest).lazy.compactMap { part in
      let count = counts[Int(part % Int64(counts.count))]
      return count == 0 ? nil : (count, (part + Int64(Period.parts) + 1) * partLength)
    }
  }
}
