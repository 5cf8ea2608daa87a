import AdapterAPI
import TestSupport
import Testing

@testable import Host

struct PriorityQueueTests {
  @Test func `waiters leave by priority, and within a priority in order of arrival`() {
    var queue = PriorityQueue<Int>()
    for (number, priority) in [Priority.history, .values, .writes, .history, .values, .writes].enumerated() {
      _ = queue.append(number, in: priority)
    }
    var order: [Int] = []
    while let first = queue.first {
      order.append(first.waiter)
      queue.removeFirst()
    }
    #expect(order == [2, 5, 1, 4, 0, 3])
    #expect(queue.count == 0)
  }

  @Test func `removeYoungest takes from the lowest priority, and only from below the given one`() {
    var queue = PriorityQueue<Int>()
    for (number, priority) in [Priority.history, .history, .values, .values, .writes].enumerated() {
      _ = queue.append(number, in: priority)
    }
    #expect(queue.removeYoungest(below: .history) == nil)
    #expect(queue.removeYoungest(below: .values) == 1)
    #expect(queue.removeYoungest(below: .writes) == 0)
    #expect(queue.removeYoungest(below: .values) == nil)
    #expect(queue.removeYoungest(below: .writes) == 3)
    #expect(queue.removeYoungest(below: .writes) == 2)
    #expect(queue.removeYoungest(below: .writes) == nil)
    #expect(queue.count == 1)
  }

  @Test func `a used ticket does not name a later waiter`() {
    var queue = PriorityQueue<Int>()
    let first = queue.append(1, in: .values)
    queue.remove(first)
    _ = queue.append(2, in: .values)
    queue.remove(first)
    #expect(queue.first?.waiter == 2)
    #expect(queue.count == 1)
  }

  @Test func `random operations have the same results as on plain lists`() {
    for seed in 1...40 {
      var random = SeededGenerator(seed: seed)
      var queue = PriorityQueue<Int>()
      var lists: [[(number: Int, ticket: PriorityQueue<Int>.Ticket)]] = [[], [], []]
      for number in 0..<400 {
        switch Int.random(in: 0..<6, using: &random) {
        case 0..<3:
          let priority = Priority.allCases.randomElement(using: &random)!
          lists[priority.rawValue].append((number, queue.append(number, in: priority)))
        case 3:
          guard let priority = lists.firstIndex(where: { !$0.isEmpty }) else { continue }
          #expect(queue.first?.priority.rawValue == priority)
          #expect(queue.first?.waiter == lists[priority].removeFirst().number)
          queue.removeFirst()
        case 4:
          let priority = Priority.allCases.randomElement(using: &random)!
          let lower = lists.indices.last { $0 > priority.rawValue && !lists[$0].isEmpty }
          #expect(queue.removeYoungest(below: priority) == lower.map { lists[$0].removeLast().number })
        default:
          let priority = Int.random(in: 0..<3, using: &random)
          guard let index = lists[priority].indices.randomElement(using: &random) else { continue }
          let ticket = lists[priority].remove(at: index).ticket
          queue.remove(ticket)
          queue.remove(ticket)
        }
        #expect(queue.count == lists.map(\.count).reduce(0, +))
        for priority in Priority.allCases { #expect(queue.count(in: priority) == lists[priority.rawValue].count) }
      }
    }
  }
}
