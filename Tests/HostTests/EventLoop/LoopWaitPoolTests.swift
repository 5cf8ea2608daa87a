import AdapterAPI
import Testing

@testable import Host

@Suite struct LoopWaitPoolTests {
  @Test func `an outcome for one use of a wait never reaches the next`() async {
    await withLoop { loop in
      let outcomes = await task(on: loop) {
        let waits = LoopWaitPool<String>(loop: loop)
        defer { waits.removeAll() }
        let first = waits.take()
        let use = first.use
        first.end(.value("first"), use: use)
        var outcomes = [await first.wait(until: .distantFuture, use: use).text]
        waits.giveBack(first)
        let second = waits.take()
        outcomes.append(second === first ? "the same" : "another")
        second.end(.value("late"), use: use)
        second.end(.value("second"), use: second.use)
        outcomes.append(await second.wait(until: .distantFuture, use: second.use).text)
        waits.giveBack(second)
        return outcomes
      }.value
      #expect(outcomes == ["first", "the same", "second"])
    }
  }

  @Test func `a deadline ends its own use only`() async {
    await withLoop { loop in
      let outcomes = await task(on: loop) {
        let waits = LoopWaitPool<String>(loop: loop)
        defer { waits.removeAll() }
        var outcomes: [String] = []
        for _ in 0..<3 {
          let wait = waits.take()
          outcomes.append(await wait.wait(until: inMilliseconds(5), use: wait.use).text)
          waits.giveBack(wait)
        }
        return outcomes
      }.value
      #expect(outcomes == ["timed out", "timed out", "timed out"])
    }
  }

  @Test func `requests one after another use one wait on the loop`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      rig.gate.open()
      for _ in 0..<100 { #expect(await rig.ask().value == .response(#"{"code":200}"#)) }
      let count = await onLoop(group.loops[0]) {
        group.loops[0].allObjects.count { $0 is LoopWait<Sharing.Outcome> }
      }
      #expect(count == 1)
    }
  }
}
