import AdapterAPI
import Testing

@testable import Host

@Suite struct TokenWaitersTests {
  private func at(_ n: Int) -> Instant { Instant(nanoseconds: Int64(n)) }

  @Test func `waiters are due in the order of their times`() {
    var waiters = TokenWaiters()
    var generator = SystemRandomNumberGenerator()
    let dues = (1...1000).map { _ in Int.random(in: 0...5000, using: &generator) }
    for (id, due) in dues.enumerated() { waiters.add(UInt64(id), due: at(due), deadline: at(9000)) }
    for id in stride(from: 0, to: 1000, by: 3) { waiters.remove(UInt64(id)) }
    var seen: [Int] = []
    while let next = waiters.popDue(at(5000)) { seen.append(dues[Int(next.id)]) }
    let left = dues.enumerated().filter { $0.offset % 3 != 0 }.map(\.element)
    #expect(seen == left.sorted())
    #expect(waiters.isEmpty)
  }

  @Test func `a waiter is not due before its time`() {
    var waiters = TokenWaiters()
    waiters.add(1, due: at(10), deadline: at(20))
    #expect(waiters.nextDue == at(10))
    let early = waiters.popDue(at(9))
    #expect(early == nil)
    #expect(waiters.count == 1)
  }

  @Test func `removed waiters do not accumulate`() {
    var waiters = TokenWaiters()
    waiters.add(0, due: at(1), deadline: at(1))
    for id in 1...10_000 {
      waiters.add(UInt64(id), due: at(id), deadline: at(id))
      waiters.remove(UInt64(id))
    }
    #expect(waiters.count == 1)
    #expect(waiters.entryCount <= 1024)
    waiters.remove(0)
    #expect(waiters.nextDue == nil)
  }
}
