import AdapterAPI
import Testing

@testable import Host

@Suite("Long answers to several")
struct SharedStreamTests {
  private static let mebibyte = 1 << 20
  private static let prefix = #"{"code":200,"#.utf8.count

  @Test func `one alone gets the stream as it comes`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      rig.gate.open()
      let outcome = await rig.ask { .success(PieceStream(count: 8).answer()) }.value
      #expect(outcome == .streamed("\(8 * Self.mebibyte + Self.prefix)"))
      #expect(rig.sharing.isEmpty)
      #expect(rig.memory.used == 0)
    }
  }

  @Test func `for several it is gathered, and shared`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let asked = (0..<6).map { number in rig.ask(on: number) { .success(PieceStream(count: 3).answer()) } }
      #expect(await rig.waits(6))
      rig.gate.open()
      let text = #"{"code":200,"# + String(repeating: "x", count: 3 * Self.mebibyte)
      for task in asked { #expect(await task.value == .answer(text)) }
      #expect(rig.callCount == 1)
      #expect(rig.memory.used == 0)
    }
  }

  @Test("one too large for that goes to the first, the others ask for themselves", arguments: [true, false])
  func tooLarge(isLengthKnown: Bool) async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let answer: @Sendable () -> Sharing.CallResult = {
        .success(PieceStream(count: 6, isLengthKnown: isLengthKnown).answer())
      }
      let first = rig.ask(answer: answer)
      #expect(await rig.waits(1))
      let others = (0..<4).map { rig.ask(on: $0, answer: answer) }
      #expect(await rig.waits(5))
      rig.gate.open()
      #expect(await first.value == .streamed("\(6 * Self.mebibyte + Self.prefix)"))
      for task in others { #expect(await task.value == .alone) }
      #expect(rig.callCount == 1)
      #expect(rig.sharing.isEmpty)
      #expect(rig.memory.used == 0)
    }
  }

  @Test func `one that breaks off is an error for everybody`() async {
    await withLoops(2) { group in
      let rig = SharingRig(group)
      let asked = (0..<4).map { number in
        rig.ask(on: number) {
          .success(PieceStream([.success([120]), .failure(.malformed("cut off"))]).answer())
        }
      }
      #expect(await rig.waits(4))
      rig.gate.open()
      for task in asked { #expect(await task.value == .failed("upstream_malformed")) }
    }
  }

  @Test func `one for a cache is gathered and kept, where it is good and not too large`() async {
    await withLoops { group in
      let rig = SharingRig(group)
      rig.gate.open()
      let policy = Shared.policy(cache: 3600)
      let good: @Sendable () -> Sharing.CallResult = {
        .success(PieceStream([.success(Array(#""a":1}"#.utf8))]).answer())
      }
      #expect(await rig.ask("{1}", by: policy, answer: good).value == .answer(#"{"code":200,"a":1}"#))
      #expect(await rig.ask("{1}", by: policy, answer: good).value == .kept(#"{"code":200,"a":1}"#, isStale: false))
      let large = await rig.ask("{2}", by: policy) { .success(PieceStream(count: 6).answer()) }.value
      #expect(large == .streamed("\(6 * Self.mebibyte + Self.prefix)"))
      let business = await rig.ask("{3}", by: policy) {
        var answer = PieceStream(count: 2).answer()
        answer.verdict = .businessError(code: 500)
        return .success(answer)
      }.value
      #expect(business == .streamed("\(2 * Self.mebibyte + Self.prefix)"))
      #expect(rig.callCount == 3)
    }
  }

  @Test func `a server short of memory gathers nothing`() async {
    await withLoops { group in
      let rig = SharingRig(group, memory: 2 << 20)
      let asked = (0..<2).map { _ in rig.ask { .success(PieceStream(count: 4).answer()) } }
      #expect(await rig.waits(2))
      rig.gate.open()
      var outcomes: [SharingRig.Outcome] = []
      for task in asked { outcomes.append(await task.value) }
      #expect(outcomes.contains(.alone))
      #expect(outcomes.contains(.streamed("\(4 * Self.mebibyte + Self.prefix)")))
      #expect(rig.memory.used == 0)
    }
  }
}
