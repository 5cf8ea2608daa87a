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
  private func transcript(_ script: @escaping @Sendable (EventLoop, Collected<Int64>) -> LoopObject) async -> [Int64] {
    await withLoops { group in
      let fired = Collected<Int64>()
      let end = Collected<Int64>()
      await onLoop(group.loops[0]) {
        let loop = group.loops[0]
        _ = script(loop, fired)
        let last = Watch(loop: loop, fired: end)
        loop.add(last)
        last.set(160)
      }
      #expect(await eventually { end.count == 1 })
      await onLoop(group.loops[0]) { for object in group.loops[0].allObjects { group.loops[0].remove(object) } }
      return fired.all
    }
  }

  @Test func `a deadline fires once, and not too early`() async {
    let fired = await transcript { loop, fired in
      let watch = Watch(loop: loop, fired: fired)
      loop.add(watch)
      watch.set(30)
      return watch
    }
    #expect(fired.count == 1)
    #expect(fired.allSatisfy { $0 >= 30 })
  }

  @Test func `a deadline set before the object is added fires`() async {
    let fired = await transcript { loop, fired in
      let watch = Watch(loop: loop, fired: fired)
      watch.set(20)
      loop.add(watch)
      return watch
    }
    #expect(fired.count == 1)
  }

  @Test func `a deadline moved later fires once, at the later time`() async {
    let fired = await transcript { loop, fired in
      let watch = Watch(loop: loop, fired: fired)
      loop.add(watch)
      for at in [10, 20, 40, 80] { watch.set(Int64(at)) }
      return watch
    }
    #expect(fired.count == 1)
    #expect(fired.allSatisfy { $0 >= 80 })
  }

  @Test func `a deadline moved earlier fires once, at the earlier time`() async {
    let fired = await transcript { loop, fired in
      let watch = Watch(loop: loop, fired: fired)
      loop.add(watch)
      for at in [140, 100, 20] { watch.set(Int64(at)) }
      return watch
    }
    #expect(fired.count == 1)
    #expect(fired.allSatisfy { $0 >= 20 })
  }

  @Test func `a deadline that is unset does not fire, and fires when set again`() async {
    let fired = await transcript { loop, fired in
      let watch = Watch(loop: loop, fired: fired)
      loop.add(watch)
      watch.set(10)
      watch.set(nil)
      let other = Watch(loop: loop, fired: fired)
      loop.add(other)
      other.set(10)
      other.set(nil)
      other.set(50)
      return watch
    }
    #expect(fired.count == 1)
    #expect(fired.allSatisfy { $0 >= 50 })
  }

  @Test func `a deadline set again while it fires, fires again`() async {
    let fired = await transcript { loop, fired in
      let watch = Watch(loop: loop, fired: fired)
      loop.add(watch)
      watch.set(20)
      watch.again = Instant(nanoseconds: watch.began + 60_000_000)
      return watch
    }
    #expect(fired.count == 2)
    #expect(fired.last.map { $0 >= 60 } == true)
  }

  @Test func `a removed object's deadline fires neither for it nor for the next object of its slot`() async {
    let fired = await transcript { loop, fired in
      let gone = Watch(loop: loop, fired: fired)
      loop.add(gone)
      gone.set(10)
      loop.remove(gone)
      let next = Watch(loop: loop, fired: fired)
      loop.add(next)
      #expect(next.slot == 0 && next.generation == 1, "it has the slot of the removed object")
      return next
    }
    #expect(fired == [])
  }

  @Test func `an object that is added again gets its new deadline`() async {
    let fired = await transcript { loop, fired in
      let watch = Watch(loop: loop, fired: fired)
      loop.add(watch)
      watch.set(10)
      loop.remove(watch)
      loop.add(watch)
      watch.set(40)
      return watch
    }
    #expect(fired.count == 1)
    #expect(fired.allSatisfy { $0 >= 40 })
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
