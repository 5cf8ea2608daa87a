import AdapterAPI
import TestSupport
import Testing

@testable import Host

struct CallBudgetTests {
  private static let second: Int64 = 1_000_000_000
  /// A time that is no multiple of a period.
  private static let start: Int64 = 12_345 * second + 678

  private static func minute(_ calls: Int) -> CallBudget { CallBudget(.init(perMinute: calls)) }

  /// Makes a call if the budget allows one.
  private static func take(_ budget: inout CallBudget, _ purpose: CallBudget.Purpose, at now: Int64) -> Bool {
    guard budget.ready(for: purpose, at: now) <= now else { return false }
    budget.spend(at: now)
    return true
  }

  private static func takeAll(_ budget: inout CallBudget, _ purpose: CallBudget.Purpose, at now: Int64) -> Int {
    var taken = 0
    while taken < 1_000_000, take(&budget, purpose, at: now) { taken += 1 }
    return taken
  }

  @Test(arguments: [(1, 1), (2, 1), (3, 2), (10, 9), (19, 18), (20, 18), (600, 540)])
  func `reads leave a tenth of the calls to writes, at least one`(limit: Int, reads: Int) {
    var budget = Self.minute(limit)
    #expect(Self.takeAll(&budget, .read, at: Self.start) == reads)
    #expect(Self.takeAll(&budget, .renewal, at: Self.start) == 0)
    #expect(Self.takeAll(&budget, .write, at: Self.start) == limit - reads)
    #expect(Self.takeAll(&budget, .write, at: Self.start) == 0)
  }

  @Test func `a refused call may be made at the time that ready returns, not earlier`() {
    for purpose in [CallBudget.Purpose.read, .write, .renewal] {
      for limits in [
        CallBudget.Limits(perMinute: 7), .init(perHour: 7), .init(perDay: 7),
        .init(perMinute: 3, perHour: 11, perDay: 29),
      ] {
        var budget = CallBudget(limits)
        var now = Self.start
        for _ in 0..<60 {
          var waits = 0
          while true {
            let ready = budget.ready(for: purpose, at: now)
            guard ready > now else { break }
            #expect(budget.ready(for: purpose, at: ready - 1) > ready - 1, "not a moment earlier")
            now = ready
            waits += 1
          }
          // When a call is possible again, a renewal may still have to wait for its interval.
          #expect(waits <= (purpose == .renewal ? 2 : 1))
          #expect(Self.take(&budget, purpose, at: now))
        }
      }
    }
  }

  @Test func `no interval of a minute has more calls than the limit, wherever it begins`() {
    for seed in 1...30 {
      var random = SeededGenerator(seed: seed)
      let limit = Int.random(in: 1...40, using: &random)
      var budget = Self.minute(limit)
      var now = Self.start
      var calls: [Int64] = []
      for _ in 0..<3_000 {
        now += Int64.random(in: 0...2 * Self.second / 3, using: &random) * Int64.random(in: 0...1, using: &random)
        let purpose: CallBudget.Purpose = [.read, .write, .renewal].randomElement(using: &random)!
        if Self.take(&budget, purpose, at: now) { calls.append(now) }
      }
      for (index, call) in calls.enumerated() where index >= limit {
        #expect(call - calls[index - limit] > 60 * Self.second, "seed \(seed)")
      }
      #expect(calls.count >= limit)
    }
  }

  @Test func `the limits of all periods hold at the same time`() {
    var budget = CallBudget(.init(perMinute: 10, perHour: 20, perDay: 25))
    var taken: [Int] = []
    // A minute and one part later, the calls of the minute before no longer count.
    for minute in 0..<6 {
      let now = Self.start + Int64(minute) * 62 * Self.second
      taken.append(Self.takeAll(&budget, .write, at: now))
    }
    #expect(taken == [10, 10, 0, 0, 0, 0])
    #expect(Self.takeAll(&budget, .write, at: Self.start + 2 * 3600 * Self.second) == 5)
    #expect(Self.takeAll(&budget, .write, at: Self.start + 4 * 3600 * Self.second) == 0)
    #expect(Self.takeAll(&budget, .write, at: Self.start + 30 * 3600 * Self.second) == 10)
  }

  @Test func `renewals are unrestricted at first, then spread over the minute without using the budget up`() {
    var budget = Self.minute(60)
    // Half of the 54 calls that reads may use.
    #expect(Self.takeAll(&budget, .renewal, at: Self.start) == 27)
    // A renewal is wanted 50 times a second.
    var calls: [Int64] = []
    for step in 1...6_000 {
      let now = Self.start + Int64(step) * Self.second / 50
      if Self.take(&budget, .renewal, at: now) { calls.append(now) }
    }
    let gaps = zip(calls, calls.dropFirst()).map { $1 - $0 }
    // 27 in the first minute, 2.3 seconds apart.
    let first = calls.filter { $0 < Self.start + 60 * Self.second }
    #expect((25...27).contains(first.count))
    #expect(zip(first, first.dropFirst()).allSatisfy { $1 - $0 > 2 * Self.second })
    // In two minutes no interval was long, and few calls were left unused.
    #expect(gaps.allSatisfy { $0 < 4 * Self.second })
    #expect(calls.count > 27 + 40)
    #expect(budget.ready(for: .read, at: Self.start + 121 * Self.second) <= Self.start + 121 * Self.second)
  }

  @Test func `renewals over ten hours use nearly all calls that reads may use`() {
    var budget = CallBudget(.init(perHour: 360))
    var calls = 0
    // A renewal is wanted every second for ten hours.
    for second in 0..<36_000 where Self.take(&budget, .renewal, at: Self.start + Int64(second) * Self.second) {
      calls += 1
    }
    #expect((2_900...3_240 + 324).contains(calls), "\(calls) of 3240")
  }

  @Test func `a call that is given back can be made again, and one that was never taken adds none`() {
    var budget = Self.minute(2)
    budget.giveBack(at: Self.start)
    #expect(Self.takeAll(&budget, .write, at: Self.start) == 2)
    budget.giveBack(at: Self.start)
    #expect(Self.takeAll(&budget, .write, at: Self.start) == 1)
    budget.giveBack(at: Self.start + Self.second)
    #expect(Self.takeAll(&budget, .write, at: Self.start + Self.second) == 1)
  }

  @Test func `calls that are counted beyond the limit delay later calls`() {
    var budget = Self.minute(3)
    for _ in 0..<5 { budget.spend(at: Self.start) }
    #expect(Self.takeAll(&budget, .write, at: Self.start + 60 * Self.second - 1_000) == 0)
    #expect(Self.takeAll(&budget, .write, at: Self.start + 61 * Self.second) == 3)
  }

  @Test func `a clock that steps back or begins at zero keeps the limit`() {
    var budget = Self.minute(4)
    #expect(Self.take(&budget, .write, at: Self.start))
    #expect(Self.take(&budget, .write, at: Self.start - 3 * Self.second))
    #expect(Self.take(&budget, .write, at: Self.start))
    #expect(Self.takeAll(&budget, .write, at: Self.start) == 1)
    var young = Self.minute(4)
    #expect(Self.takeAll(&young, .write, at: 0) == 4)
    #expect(young.ready(for: .write, at: 0) == 61 * Self.second)
  }

  @Test func `a budget without limits allows every call`() {
    var budget = CallBudget(.init())
    #expect(Self.takeAll(&budget, .read, at: Self.start) == 1_000_000)
  }

  @Test func `a refusal carries its code and time, and a call that did not leave is given back`() throws {
    let keeper = BudgetKeeper(.init(perMinute: 2))
    let error = AdapterError(.overloaded, "Busy.")
    for _ in 0..<3 {
      try keeper.take(.read, at: Self.start)
      keeper.failed(error, at: Self.start)
    }
    try keeper.take(.read, at: Self.start)
    #expect(!keeper.allows(.read, at: Self.start))
    #expect(keeper.allows(.write, at: Self.start))
    keeper.failed(AdapterError(.unreachable, "Down."), at: Self.start)
    #expect(!keeper.allows(.read, at: Self.start), "the call may have reached the upstream")
    keeper.count(at: Self.start)
    let spent = try #require(throws: AdapterError.self) { try keeper.take(.write, at: Self.start) }
    #expect(spent.code == .budgetSpent)
    let refusal = GatewayError(spent)
    #expect(refusal.status == 503 && refusal.code == .budgetSpent && refusal.isShed)
    #expect((59...61).contains(try #require(refusal.retryAfter)))
    // A refused call was not counted, so it is not given back either.
    keeper.failed(AdapterError(.budgetSpent, "None."), at: Self.start)
    #expect(!keeper.allows(.write, at: Self.start))
  }
}
