import TestSupport
import Testing

@testable import Host

@Suite struct TimerHeapTests {
  @Test func `TimerHeap pops the entries of a sorted list, for any order of pushes and pops`() {
    var random = SeededGenerator(seed: 7)
    for round in 0..<200 {
      var heap = TimerHeap()
      var model: [Int64] = []
      for step in 0..<100 {
        if model.isEmpty || Int.random(in: 0..<5, using: &random) < 3 {
          let at = Int64.random(in: 0..<50, using: &random)
          heap.push(TimerHeap.Entry(at: at, id: UInt64(step)))
          model.append(at)
          model.sort()
        } else {
          let now = Int64.random(in: 0..<60, using: &random)
          let popped = heap.pop(ifDueAt: now)
          let expected = model.first.flatMap { $0 <= now ? $0 : nil }
          #expect(popped?.at == expected, "round \(round), step \(step)")
          if expected != nil { model.removeFirst() }
        }
        #expect(heap.first == model.first)
        #expect(heap.count == model.count)
      }
    }
  }

  @Test func `TimerHeap clears away useless entries, and keeps the useful ones in order`() {
    var heap = TimerHeap()
    var most = 0
    for id in 0..<100_000 as Range<UInt64> {
      // One in a hundred stays.
      heap.push(TimerHeap.Entry(at: Int64(id * 7919 % 100_003), id: id)) { $0.id % 100 == 0 || $0.id + 10 > id }
      most = max(most, heap.count)
    }
    #expect(most < 4096)
    var last: Int64 = -1
    var staying = 0
    while let entry = heap.pop(ifDueAt: .max) {
      #expect(entry.at > last && entry.at == Int64(entry.id * 7919 % 100_003))
      last = entry.at
      if entry.id % 100 == 0 { staying += 1 }
    }
    #expect(staying == 1000)
  }

  @Test func `TimerHeap, entries with ids, pops each deadline with its id`() {
    var heap = TimerHeap()
    for (at, id) in [(3, 30), (1, 10), (2, 20), (0, 1)] { heap.push(TimerHeap.Entry(at: Int64(at), id: UInt64(id))) }
    var ids: [UInt64] = []
    while let entry = heap.pop(ifDueAt: 2) { ids.append(entry.id) }
    #expect(ids == [1, 10, 20])
    #expect(heap.first == 3)
  }

  @Test func `TimerHeap, empty, has nothing due`() {
    var heap = TimerHeap()
    #expect(heap.pop(ifDueAt: .max) == nil)
    #expect(heap.first == nil)
  }
}
