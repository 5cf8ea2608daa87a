import AdapterAPI
import Testing

@testable import Host

@Suite("The table of calls in flight")
struct FlightTableTests {
  private let key = Shared.key()

  @Test func `who asks the same while it is in flight takes a seat, and all are told in the end`() {
    let table = Table()
    let flight = Shared.flight(key)
    #expect(table.begin(flight, 1).seat != nil)
    for waiter in 2...50 { #expect(table.join(key, Shared.untouched, now: Shared.at(1), waiter)?.flight === flight) }
    #expect(table.join(Shared.key("other"), Shared.untouched, now: Shared.at(1), 51) == nil)
    #expect(table.waiting(for: flight) == 50)
    #expect(Set(table.end(flight).all) == Set(1...50))
    #expect(table.isEmpty)
    #expect(table.join(key, Shared.untouched, now: Shared.at(1), 52) == nil, "it is over")
  }

  @Test func `one who leaves ends nothing for the others, the last one ends it`() throws {
    let table = Table()
    let flight = Shared.flight(key)
    let first = try #require(table.begin(flight, 1).seat)
    let second = try #require(table.join(key, Shared.untouched, now: Shared.at(0), 2)?.seat)
    let third = try #require(table.join(key, Shared.untouched, now: Shared.at(0), 3)?.seat)
    #expect(!table.leave(flight, seat: first))
    #expect(!table.leave(flight, seat: third))
    #expect(table.hasFlight(for: key, Shared.untouched, now: Shared.at(0)))
    #expect(!table.giveUp(flight))
    #expect(table.leave(flight, seat: second))
    #expect(table.giveUp(flight))
    #expect(table.isEmpty)
    #expect(!table.leave(flight, seat: second), "it is over")
    #expect(!table.giveUp(flight), "once is enough")
    #expect(table.end(flight).isEmpty)
  }

  @Test func `a flight that all have left may still be joined, until it is given up`() throws {
    let table = Table()
    let flight = Shared.flight(key)
    let seat = try #require(table.begin(flight, 1).seat)
    #expect(table.leave(flight, seat: seat))
    #expect(table.join(key, Shared.untouched, now: Shared.at(0), 2)?.flight === flight)
    #expect(!table.giveUp(flight))
    #expect(table.end(flight).all == [2])
  }

  @Test func `a flight whose answer is kept goes on without anybody`() throws {
    let table = Table()
    let flight = Shared.flight(key, Shared.policy(cache: 1))
    let seat = try #require(table.begin(flight, 1).seat)
    #expect(!table.leave(flight, seat: seat))
    #expect(!table.giveUp(flight))
    #expect(table.join(key, Shared.untouched, now: Shared.at(0), 2)?.flight === flight)
  }

  @Test func `a drain waits for no flight that only a cache waits for`() throws {
    let table = Table()
    let policy = Shared.policy(cache: 1)
    let deserted = Shared.flight(key, policy)
    let waited = Shared.flight(Shared.key("b"), policy)
    _ = table.begin(deserted, nil)
    let seat = try #require(table.begin(waited, 1).seat)
    let ended = table.drain()
    #expect(ended.count == 1 && ended.first === deserted)
    #expect(table.leave(waited, seat: seat))
    #expect(table.giveUp(waited))
    #expect(table.isEmpty)
  }

  @Test func `nobody joins a call from before a write`() {
    let table = Table()
    let old = Shared.flight(key, epoch: 0, began: 1)
    _ = table.begin(old, 1)
    for number in [UInt64(1), 2] {
      let view = WriteEpoch.View(number: number, settledFrom: Instant(nanoseconds: .min))
      #expect(table.join(key, view, now: Shared.at(1), 2) == nil)
    }
    let view = WriteEpoch.View(number: 2, settledFrom: Instant(nanoseconds: .min))
    let new = Shared.flight(key, epoch: 2, began: 1)
    #expect(table.begin(new, 2).abandoned == nil)
    #expect(table.join(key, view, now: Shared.at(1), 3)?.flight === new)
    #expect(table.end(old).all == [1], "the old one goes on for who waits for it")
    #expect(Set(table.end(new).all) == [2, 3])
    #expect(table.isEmpty)
  }

  @Test func `a call from before a write that nobody waits for is given up`() throws {
    let table = Table()
    let old = Shared.flight(key, epoch: 0, Shared.policy(cache: 1))
    let seat = try #require(table.begin(old, 1).seat)
    #expect(!table.leave(old, seat: seat))
    #expect(table.begin(Shared.flight(key, epoch: 2), 2).abandoned === old)
    #expect(table.end(old).isEmpty)

    let waited = Shared.flight(Shared.key("b"), epoch: 0, Shared.policy(cache: 1))
    let its = try #require(table.begin(waited, 3).seat)
    #expect(table.begin(Shared.flight(Shared.key("b"), epoch: 2), 4).abandoned == nil)
    #expect(table.leave(waited, seat: its), "its answer could not be kept")
    #expect(table.giveUp(waited))
  }

  @Test func `while a write may not show yet only the same moment is shared`() {
    let table = Table()
    let flight = Shared.flight(key, epoch: 2, began: 10)
    _ = table.begin(flight, 1)
    let unsettled = WriteEpoch.View(number: 2, settledFrom: Shared.at(11))
    #expect(table.join(key, unsettled, now: Shared.at(10.009), 2) != nil)
    #expect(table.join(key, unsettled, now: Shared.at(10.02), 3) == nil)
    let settled = WriteEpoch.View(number: 2, settledFrom: Shared.at(10))
    #expect(table.join(key, settled, now: Shared.at(12), 4) != nil)
  }

  @Test func `the first in order of arrival is the first of those who still wait`() {
    var seats = Seats<Int>()
    let numbers = (10..<20).map { seats.add($0) }
    seats.remove(numbers[0])
    seats.remove(numbers[1])
    #expect(seats.count == 8)
    let firstTwo = [seats.removeFirst(), seats.removeFirst()]
    #expect(firstTwo == [12, 13])
    #expect(seats.count == 6)
  }
}

/// A table that the expectations may change.
private final class Table {
  private var table = FlightTable<Int>()

  var isEmpty: Bool { table.isEmpty }
  func hasFlight(for key: ReadKey, _ view: WriteEpoch.View, now: Instant) -> Bool {
    table.hasFlight(for: key, view, now: now)
  }
  func join(_ key: ReadKey, _ view: WriteEpoch.View, now: Instant, _ waiter: Int) -> (flight: Flight, seat: Int)? {
    table.join(key, view, now: now, waiter)
  }
  func begin(_ flight: Flight, _ waiter: Int?) -> (seat: Int?, abandoned: Flight?) { table.begin(flight, waiter) }
  func leave(_ flight: Flight, seat: Int) -> Bool { table.leave(flight, seat: seat) }
  func drain() -> [Flight] { table.drain() }
  func giveUp(_ flight: Flight) -> Bool { table.giveUp(flight) }
  func waiting(for flight: Flight) -> Int { table.waiting(for: flight) }
  func end(_ flight: Flight) -> Seats<Int> { table.end(flight) }
}
