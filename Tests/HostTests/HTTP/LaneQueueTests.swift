import AdapterAPI
import TestSupport
import Testing

@testable import Host

struct LaneQueueTests {
  @Test func `earlier lanes come first, and within a lane who came first`() {
    var queue = LaneQueue<Int>()
    for (number, lane) in [Lane.history, .values, .writes, .history, .values, .writes].enumerated() {
      _ = queue.append(number, in: lane)
    }
    var order: [Int] = []
    while let first = queue.first {
      order.append(first.waiter)
      queue.removeFirst()
    }
    #expect(order == [2, 5, 1, 4, 0, 3])
    #expect(queue.count == 0)
  }

  @Test func `the youngest of the last lane makes room, and never for its own lane or a later one`() {
    var queue = LaneQueue<Int>()
    for (number, lane) in [Lane.history, .history, .values, .values, .writes].enumerated() {
      _ = queue.append(number, in: lane)
    }
    #expect(queue.removeYoungest(after: .history) == nil)
    #expect(queue.removeYoungest(after: .values) == 1)
    #expect(queue.removeYoungest(after: .writes) == 0)
    #expect(queue.removeYoungest(after: .values) == nil)
    #expect(queue.removeYoungest(after: .writes) == 3)
    #expect(queue.removeYoungest(after: .writes) == 2)
    #expect(queue.removeYoungest(after: .writes) == nil)
    #expect(queue.count == 1)
  }

  @Test func `a ticket that was used up means nobody else`() {
    var queue = LaneQueue<Int>()
    let first = queue.append(1, in: .values)
    queue.remove(first)
    _ = queue.append(2, in: .values)
    queue.remove(first)
    #expect(queue.first?.waiter == 2)
    #expect(queue.count == 1)
  }

  @Test func `it does what plain lists do, whatever happens in which order`() {
    for seed in 1...40 {
      var random = Seeded(state: UInt64(seed))
      var queue = LaneQueue<Int>()
      var lists: [[(number: Int, ticket: LaneQueue<Int>.Ticket)]] = [[], [], []]
      for number in 0..<400 {
        switch Int.random(in: 0..<6, using: &random) {
        case 0..<3:
          let lane = Lane.allCases.randomElement(using: &random)!
          lists[lane.rawValue].append((number, queue.append(number, in: lane)))
        case 3:
          guard let lane = lists.firstIndex(where: { !$0.isEmpty }) else { continue }
          #expect(queue.first?.lane.rawValue == lane)
          #expect(queue.first?.waiter == lists[lane].removeFirst().number)
          queue.removeFirst()
        case 4:
          let lane = Lane.allCases.randomElement(using: &random)!
          let lower = lists.indices.last { $0 > lane.rawValue && !lists[$0].isEmpty }
          #expect(queue.removeYoungest(after: lane) == lower.map { lists[$0].removeLast().number })
        default:
          let lane = Int.random(in: 0..<3, using: &random)
          guard let index = lists[lane].indices.randomElement(using: &random) else { continue }
          let ticket = lists[lane].remove(at: index).ticket
          queue.remove(ticket)
          queue.remove(ticket)
        }
        #expect(queue.count == lists.map(\.count).reduce(0, +))
        for lane in Lane.allCases { #expect(queue.count(in: lane) == lists[lane.rawValue].count) }
      }
    }
  }
}
