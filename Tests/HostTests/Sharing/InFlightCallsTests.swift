import AdapterAPI
import Testing

@testable import Host

@Suite struct InFlightCallsTests {
  private let key = Shared.key()
  private let table = Table()

  @Test func `identical requests join a call until it ends`() {
    let call = Shared.call(key)
    #expect(table.begin(call, 1).number != nil)
    for waiter in 2...50 { #expect(table.join(key, Shared.untouched, now: Shared.at(1), waiter)?.call === call) }
    #expect(table.join(Shared.key("other"), Shared.untouched, now: Shared.at(1), 51) == nil)
    #expect(table.waiterCount(of: call) == 50)
    #expect(Set(table.end(call).all) == Set(1...50))
    #expect(table.isEmpty)
    #expect(table.join(key, Shared.untouched, now: Shared.at(1), 52) == nil)
  }

  @Test func `leave says that a call is abandoned when the last waiter leaves`() throws {
    let call = Shared.call(key)
    let first = try #require(table.begin(call, 1).number)
    let second = try #require(table.join(key, Shared.untouched, now: Shared.at(0), 2)?.number)
    let third = try #require(table.join(key, Shared.untouched, now: Shared.at(0), 3)?.number)
    #expect(!table.leave(call, number: first))
    #expect(!table.leave(call, number: third))
    #expect(table.canJoin(key, Shared.untouched, now: Shared.at(0)))
    #expect(!table.removeAbandoned(call))
    #expect(table.leave(call, number: second))
    #expect(table.removeAbandoned(call))
    #expect(table.isEmpty)
    #expect(!table.leave(call, number: second))
    #expect(!table.removeAbandoned(call))
    #expect(table.end(call).isEmpty)
  }

  @Test func `an abandoned call can be joined until it is removed`() throws {
    let call = Shared.call(key)
    let number = try #require(table.begin(call, 1).number)
    #expect(table.leave(call, number: number))
    #expect(table.join(key, Shared.untouched, now: Shared.at(0), 2)?.call === call)
    #expect(!table.removeAbandoned(call))
    #expect(table.end(call).all == [2])
  }

  @Test func `a call for the cache is not abandoned without waiters`() throws {
    let call = Shared.call(key, Shared.policy(cache: 1))
    let number = try #require(table.begin(call, 1).number)
    #expect(!table.leave(call, number: number))
    #expect(!table.removeAbandoned(call))
    #expect(table.join(key, Shared.untouched, now: Shared.at(0), 2)?.call === call)
  }

  @Test func `drain removes calls that only the cache needs`() throws {
    let policy = Shared.policy(cache: 1)
    let abandoned = Shared.call(key, policy)
    let waited = Shared.call(Shared.key("b"), policy)
    _ = table.begin(abandoned, nil)
    let number = try #require(table.begin(waited, 1).number)
    let ended = table.drain()
    #expect(ended.count == 1 && ended.first === abandoned)
    #expect(table.leave(waited, number: number))
    #expect(table.removeAbandoned(waited))
    #expect(table.isEmpty)
  }

  @Test func `a call from before a write can't be joined, and ends for its own waiters`() {
    let old = Shared.call(key, epoch: 0, began: 1)
    _ = table.begin(old, 1)
    for number in [UInt64(1), 2] {
      let view = WriteEpoch.View(number: number, settledFrom: Instant(nanoseconds: .min))
      #expect(table.join(key, view, now: Shared.at(1), 2) == nil)
    }
    let view = WriteEpoch.View(number: 2, settledFrom: Instant(nanoseconds: .min))
    let new = Shared.call(key, epoch: 2, began: 1)
    #expect(table.begin(new, 2).abandoned == nil)
    #expect(table.join(key, view, now: Shared.at(1), 3)?.call === new)
    #expect(table.end(old).all == [1])
    #expect(Set(table.end(new).all) == [2, 3])
    #expect(table.isEmpty)
  }

  @Test func `begin returns a replaced call without waiters as abandoned`() throws {
    let old = Shared.call(key, epoch: 0, Shared.policy(cache: 1))
    let number = try #require(table.begin(old, 1).number)
    #expect(!table.leave(old, number: number))
    #expect(table.begin(Shared.call(key, epoch: 2), 2).abandoned === old)
    #expect(table.end(old).isEmpty)

    let waited = Shared.call(Shared.key("b"), epoch: 0, Shared.policy(cache: 1))
    let its = try #require(table.begin(waited, 3).number)
    #expect(table.begin(Shared.call(Shared.key("b"), epoch: 2), 4).abandoned == nil)
    #expect(table.leave(waited, number: its))
    #expect(table.removeAbandoned(waited))
  }

  @Test func `a call during the settle time can be joined for a moment only`() {
    let call = Shared.call(key, epoch: 2, began: 10)
    _ = table.begin(call, 1)
    let unsettled = WriteEpoch.View(number: 2, settledFrom: Shared.at(11))
    #expect(table.join(key, unsettled, now: Shared.at(10.009), 2) != nil)
    #expect(table.join(key, unsettled, now: Shared.at(10.02), 3) == nil)
    let settled = WriteEpoch.View(number: 2, settledFrom: Shared.at(10))
    #expect(table.join(key, settled, now: Shared.at(12), 4) != nil)
  }

  @Test func `removeFirst returns the earliest waiter that is left`() {
    var waiters = Waiters<Int>()
    let numbers = (10..<20).map { waiters.add($0) }
    waiters.remove(numbers[0])
    waiters.remove(numbers[1])
    #expect(waiters.count == 8)
    let firstTwo = [waiters.removeFirst(), waiters.removeFirst()]
    #expect(firstTwo == [12, 13])
    #expect(waiters.count == 6)
  }
}

/// A table by reference, for use inside of `#expect`.
private final class Table {
  private var table = InFlightCalls<Int>()

  var isEmpty: Bool { table.isEmpty }
  func canJoin(_ key: ReadKey, _ view: WriteEpoch.View, now: Instant) -> Bool { table.canJoin(key, view, now: now) }
  func join(_ key: ReadKey, _ view: WriteEpoch.View, now: Instant, _ waiter: Int) -> (call: InFlightCall, number: Int)?
  {
    table.join(key, view, now: now) { waiter }.map { ($0.call, $0.number) }
  }
  func begin(_ call: InFlightCall, _ waiter: Int?) -> (number: Int?, abandoned: InFlightCall?) {
    table.begin(call, waiter)
  }
  func leave(_ call: InFlightCall, number: Int) -> Bool { table.leave(call, number: number) }
  func drain() -> [InFlightCall] { table.drain() }
  func removeAbandoned(_ call: InFlightCall) -> Bool { table.removeAbandoned(call) }
  func waiterCount(of call: InFlightCall) -> Int { table.waiterCount(of: call) }
  func end(_ call: InFlightCall) -> Waiters<Int> { table.end(call) }
}
