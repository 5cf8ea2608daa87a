import AdapterAPI
import Synchronization
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct LoopObjectTests {
  /// Records the times of its deadline, in milliseconds since its creation.
  private final class Watch: LoopObject {
    let began = System.monotonic()
    let fired: Collected<Int64>
    var again: Instant?

    init(loop: EventLoop, fired: Collected<Int64>) {
      self.fired = fired
      super.init(loop: loop)
    }

    func set(_ milliseconds: Int64?) {
      deadline = milliseconds.map { Instant(nanoseconds: began + $0 * 1_000_000) }
    }

    override func deadlineReached() {
      fired.add((System.monotonic() - began) / 1_000_000)
      #expect(deadline == nil, "it is unset by then")
      if let again {
        deadline = again
        self.again = nil
      }
    }
  }

  /// Runs the script, then waits for the deadline of another object, which is later than all of the script's.
  private func transcript(_ script: @escaping @Sendable (EventLoop, Watch) -> Void) async -> [Int64] {
    await withLoops { group in
      let loop = group.loops[0]
      let (fired, end) = (Collected<Int64>(), Collected<Int64>())
      await onLoop(loop) {
        script(loop, Watch(loop: loop, fired: fired))
        let last = Watch(loop: loop, fired: end)
        loop.add(last)
        last.set(160)
      }
      #expect(await eventually { end.count == 1 })
      await onLoop(loop) { for object in loop.allObjects { loop.remove(object) } }
      return fired.all
    }
  }

  enum Step: Sendable { case add, remove, set(Int64?) }

  @Test(
    arguments: [
      (30, [.add, .set(30)]), (20, [.set(20), .add]), (80, [.add, .set(10), .set(20), .set(40), .set(80)]),
      (20, [.add, .set(140), .set(100), .set(20)]), (nil, [.add, .set(10), .set(nil)]),
      (50, [.add, .set(10), .set(nil), .set(50)]), (40, [.add, .set(10), .remove, .add, .set(40)]),
    ] as [(Int64?, [Step])])
  func `a deadline fires once at the last time that was set, moved earlier or later, and not at all when it is unset`(
    earliest: Int64?, steps: [Step]
  ) async {
    let fired = await transcript { loop, watch in
      for step in steps {
        switch step {
        case .add: loop.add(watch)
        case .remove: loop.remove(watch)
        case .set(let at): watch.set(at)
        }
      }
    }
    #expect(fired.count == (earliest == nil ? 0 : 1))
    #expect(fired.allSatisfy { $0 >= earliest ?? 0 })
  }

  @Test func `a deadline set again while it fires, fires again`() async {
    let fired = await transcript { loop, watch in
      loop.add(watch)
      watch.set(20)
      watch.again = Instant(nanoseconds: watch.began + 60_000_000)
    }
    #expect(fired.count == 2)
    #expect(fired.last.map { $0 >= 60 } == true)
  }

  @Test func `a removed object's deadline fires neither for it nor for the next object of its slot`() async {
    let fired = await transcript { loop, gone in
      loop.add(gone)
      gone.set(10)
      loop.remove(gone)
      let next = Watch(loop: loop, fired: gone.fired)
      loop.add(next)
      #expect(next.slot == 0 && next.generation == 1, "it has the slot of the removed object")
    }
    #expect(fired == [])
  }

  @Test func `the generations of a slot distinguish its objects`() async {
    await withLoops { group in
      await onLoop(group.loops[0]) {
        var table = LoopObjectTable()
        let fired = Collected<Int64>()
        var ids: Set<UInt64> = []
        for _ in 0..<50 {
          let object = Watch(loop: group.loops[0], fired: fired)
          table.insert(object)
          let id = object.id
          #expect(ids.insert(id).inserted)
          #expect(table.object(id) === object)
          table.remove(object)
          #expect(table.object(id) == nil)
          #expect(!object.isRegistered)
          table.remove(object)
        }
        #expect(table.count == 0)
        #expect(table.object(UInt64.max) == nil)
      }
    }
  }
}
