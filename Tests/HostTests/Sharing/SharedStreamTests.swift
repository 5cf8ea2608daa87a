import AdapterAPI
import Testing

@testable import Host

@Suite(.loops(2)) struct SharedStreamTests {
  private let rig = SharingRig()
  private static let mebibyte = 1 << 20
  private static let prefix = #"{"code":200,"#.utf8.count

  @Test func `a sole request gets the stream as it arrives`() async {
    rig.gate.open()
    let outcome = await rig.ask { .success(PieceStream(count: 8).response()) }.value
    #expect(outcome == .streamed("\(8 * Self.mebibyte + Self.prefix)"))
    #expect(rig.sharing.isEmpty)
    #expect(rig.memory.used == 0)
  }

  @Test func `a stream for several requests is gathered and shared`() async {
    let asked = (0..<6).map { number in rig.ask(on: number) { .success(PieceStream(count: 3).response()) } }
    #expect(await rig.waits(6))
    rig.gate.open()
    let text = #"{"code":200,"# + String(repeating: "x", count: 3 * Self.mebibyte)
    for task in asked { #expect(await task.value == .response(text)) }
    #expect(rig.callCount == 1)
    #expect(rig.memory.used == 0)
  }

  @Test(arguments: [true, false])
  func `a stream too large to gather goes to the first request, and is not shared`(isLengthKnown: Bool) async {
    let response: @Sendable () -> Sharing.CallResult = {
      .success(PieceStream(count: 6, isLengthKnown: isLengthKnown).response())
    }
    let first = rig.ask(leads: isLengthKnown, response: response)
    #expect(await rig.waits(1))
    let later = (0..<4).map { rig.ask(on: $0, response: response) }
    #expect(await rig.waits(5))
    rig.gate.open()
    #expect(await first.value == .streamed("\(6 * Self.mebibyte + Self.prefix)"))
    for task in later { #expect(await task.value == .notShared) }
    #expect(rig.callCount == 1)
    #expect(rig.sharing.isEmpty)
    #expect(rig.memory.used == 0)
  }

  @Test func `a stream that breaks off is an error for every request`() async {
    let asked = (0..<4).map { number in
      rig.ask(on: number) {
        .success(PieceStream([.success([120]), .failure(.malformed("cut off"))]).response())
      }
    }
    #expect(await rig.waits(4))
    rig.gate.open()
    for task in asked { #expect(await task.value == .failed("upstream_malformed")) }
  }

  @Test func `a stream is cached when it is good and not too large`() async {
    rig.gate.open()
    let policy = Shared.policy(cache: 3600)
    let good: @Sendable () -> Sharing.CallResult = {
      .success(PieceStream([.success(Array(#""a":1}"#.utf8))]).response())
    }
    #expect(await rig.ask("{1}", by: policy, response: good).value == .response(#"{"code":200,"a":1}"#))
    #expect(await rig.ask("{1}", by: policy, response: good).value == .cached(#"{"code":200,"a":1}"#, isStale: false))
    let large = await rig.ask("{2}", by: policy) { .success(PieceStream(count: 6).response()) }.value
    #expect(large == .streamed("\(6 * Self.mebibyte + Self.prefix)"))
    let business = await rig.ask("{3}", by: policy) {
      var response = PieceStream(count: 2).response()
      response.verdict = .businessError(code: 500)
      return .success(response)
    }.value
    #expect(business == .streamed("\(2 * Self.mebibyte + Self.prefix)"))
    #expect(rig.callCount == 3)
  }

  @Test func `a stream is not gathered when memory is short`() async {
    let rig = SharingRig(memory: 2 << 20)
    let asked = (0..<2).map { _ in rig.ask { .success(PieceStream(count: 4).response()) } }
    #expect(await rig.waits(2))
    rig.gate.open()
    var outcomes: [SharingRig.Outcome] = []
    for task in asked { outcomes.append(await task.value) }
    #expect(outcomes.contains(.notShared))
    #expect(outcomes.contains(.streamed("\(4 * Self.mebibyte + Self.prefix)")))
    #expect(rig.memory.used == 0)
  }
}
