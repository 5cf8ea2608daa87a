import AdapterAPI
import Testing

@testable import Host

@Suite("Waiting for a flight")
struct FlightWaitTests {
  /// What the outcome is called.
  private static func word(_ outcome: FlightWait.Outcome) -> String {
    switch outcome {
    case .landed(.answer(let answer)): answer.response.text
    case .landed(.failed(let error)): error.code.rawValue
    case .landed(.alone): "alone"
    case .timedOut: "timed out"
    case .cancelled: "cancelled"
    }
  }

  @Test func `what is meant for one use never reaches the next`() async {
    await withLoops { group in
      let loop = group.loops[0]
      let words = await task(on: loop) {
        let waits = FlightWaits(loop: loop)
        defer { waits.removeAll() }
        let first = waits.take()
        let use = first.use
        first.end(.landed(.answer(HeldAnswer(response: Shared.answer("first")))), use)
        var words = [Self.word(await first.wait(use, until: .distantFuture))]
        waits.giveBack(first)
        let second = waits.take()
        words.append(second === first ? "the same" : "another")
        second.end(.landed(.answer(HeldAnswer(response: Shared.answer("late")))), use)
        second.end(.landed(.alone), second.use)
        words.append(Self.word(await second.wait(second.use, until: .distantFuture)))
        waits.giveBack(second)
        return words
      }.value
      #expect(words == ["first", "the same", "alone"])
    }
  }

  @Test func `a deadline ends its own use only`() async {
    await withLoops { group in
      let loop = group.loops[0]
      let words = await task(on: loop) {
        let waits = FlightWaits(loop: loop)
        defer { waits.removeAll() }
        var words: [String] = []
        for _ in 0..<3 {
          let wait = waits.take()
          words.append(Self.word(await wait.wait(wait.use, until: inMilliseconds(5))))
          waits.giveBack(wait)
        }
        return words
      }.value
      #expect(words == ["timed out", "timed out", "timed out"])
    }
  }

  @Test func `one after another they need one place on the loop`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      rig.gate.open()
      for _ in 0..<100 { #expect(await rig.ask().value == .answer(#"{"code":200}"#)) }
      let count = await onLoop(group.loops[0]) { group.loops[0].allObjects.count { $0 is FlightWait } }
      #expect(count == 1)
    }
  }
}
