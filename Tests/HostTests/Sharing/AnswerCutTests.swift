import AdapterAPI
import Testing

@testable import Host

@Suite("Cutting a merged answer")
struct AnswerCutTests {
  private func cut(
    _ text: String, _ codes: [String], _ merging: PointMerging = ModelUpstream.merging
  ) throws -> AnswerCut {
    try AnswerCut(Array(text.utf8), asked: codes.map(code), merging)
  }

  private func code(_ text: String) -> PointCode { PointCode(bytes: Array(text.utf8)[...]) }

  private func answer(_ text: String, asked: [String], own: [String]) throws -> String {
    String(decoding: try cut(text, asked).answer(for: own.map(code)), as: UTF8.self)
  }

  @Test func `each gets his elements, in the upstream's order, as they stand there`() throws {
    let text =
      #"{"code":200,"msg":"ok","ResultPointObjArr":[{"pointId":"b","value":1e400},{"value":0.10,"pointId":"a"}]}"#
    let frame = { (elements: String) in #"{"code":200,"msg":"ok","ResultPointObjArr":[\#(elements)]}"# }
    #expect(try answer(text, asked: ["a", "b", "c"], own: ["a", "b"]) == text)
    #expect(try answer(text, asked: ["a", "b", "c"], own: ["a"]) == frame(#"{"value":0.10,"pointId":"a"}"#))
    #expect(try answer(text, asked: ["a", "b", "c"], own: ["c"]) == frame(""))
  }

  @Test func `an array that is left out when it is empty goes with its comma, wherever it stands`() throws {
    let merging = PointMerging(
      codes: "codes", arrays: [PointMerging.Elements("errors", isLeftOutWhenEmpty: true)], id: "pointId",
      common: ["code", "msg"])
    for (text, own) in [
      (#"{"errors":[{"pointId":"b"}], "code":200}"#, #"{"code":200}"#),
      (#"{"code":200 ,"errors":[{"pointId":"b"}], "msg":1}"#, #"{"code":200, "msg":1}"#),
      (#"{"errors":[{"pointId":"b"}]}"#, "{}"), (#"{"errors":[],"code":200}"#, #"{"errors":[],"code":200}"#),
      (#"{"errors":null,"code":200}"#, #"{"errors":null,"code":200}"#), (" { } ", "{}"),
    ] {
      let answer = try cut(text, ["a", "b"], merging).answer(for: [code("a")])
      #expect(String(decoding: answer, as: UTF8.self) == own)
    }
  }

  @Test(
    "an answer without the points' array is nobody's",
    arguments: [#"{"code":200}"#, "{}", #"{"msg":"x","errors":[{"pointId":"a"}]}"#])
  func noArray(_ text: String) {
    #expect(throws: AnswerCut.Refusal.once) { try cut(text, ["a", "b"]) }
  }

  @Test func `an id is compared as what it means, byte for byte`() throws {
    let text = #"{"ResultPointObjArr":[{"p\u006fintId":"\u00e9\/\ud83d\ude00"},{"pointId":"é"}]}"#
    #expect(
      try answer(text, asked: ["\u{e9}/😀", "é"], own: ["\u{e9}/😀"])
        == #"{"ResultPointObjArr":[{"p\u006fintId":"\u00e9\/\ud83d\ude00"}]}"#)
    // The same letter in two characters is nobody's point.
    #expect(throws: AnswerCut.Refusal.once) { try cut(text, ["e\u{301}/😀", "é"]) }
  }

  @Test(
    "an element that is not understood is nobody's",
    arguments: [
      #"{"value":1}"#, #"{"pointId":1}"#, #"{"pointId":null}"#, #"{"pointId":"a","pointId":"b"}"#, "1", "null", "[]",
      #"{"pointId":"x"}"#, #"{"pointId":"A"}"#, #"{"pointId":"\ud800"}"#, #"{"pointId":""}"#,
    ])
  func elements(_ element: String) {
    #expect(throws: AnswerCut.Refusal.once) {
      try cut(#"{"code":200,"ResultPointObjArr":[{"pointId":"a"},\#(element)]}"#, ["a", "b"])
    }
  }

  @Test(
    "an envelope of another form than the adapter knows",
    arguments: [
      #"{"code":200,"total":1,"ResultPointObjArr":[]}"#, #"{"code":200,"ResultPointObjArr":{}}"#,
      #"{"code":200,"errors":1}"#, #"{"code":200,"code":200}"#, #"{"errors":[],"errors":[]}"#, "[]", "", "<html>",
      #"{"code":200"#, "\u{feff}{}", #"{"code":200}{}"#, #"{"code":200,"ResultPointObjArr":[{"pointId":"a"}}"#,
    ])
  func envelopes(_ text: String) {
    do {
      _ = try cut(text, ["a"])
      Issue.record("cut: \(text)")
    } catch AnswerCut.Refusal.form(let reason) {
      #expect(!reason.isEmpty)
    } catch {
      Issue.record("\(error): \(text)")
    }
  }

  @Test func `what a form's reason quotes can be printed`() {
    do {
      _ = try cut(#"{"\u001b[31m\u202e":1}"#, ["a"])
      Issue.record("cut")
    } catch AnswerCut.Refusal.form(let reason) {
      #expect(reason.contains("?[31m?"))
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test func `no text makes it stumble`() {
    let text = Array(
      #" {"code":200,"msg":"\u00e9","ResultPointObjArr":[{"pointId":"a","v":[1,{}]} , {"pointId":"\u0062"}],"errors":[]}"#
        .utf8)
    var random = SeededNumbers(5)
    var cuts = 0
    for _ in 0..<20_000 {
      var changed = text
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        let place = Int.random(in: 0..<changed.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: changed[place] = #"{}[],:"\a1 "#.utf8.randomElement(using: &random) ?? 0
        case 1: changed.remove(at: place)
        default: changed = Array(changed[..<place])
        }
        if changed.isEmpty { break }
      }
      guard let cut = try? AnswerCut(changed, asked: [code("a"), code("b")], ModelUpstream.merging) else { continue }
      cuts += 1
      for own in [["a"], ["b"], ["b", "a"]] {
        let answer = cut.answer(for: own.map(code))
        #expect(JSONShape.check(answer) == nil, "\(String(decoding: changed, as: UTF8.self))")
      }
    }
    #expect(cuts > 1000)
  }

  @Test func `many callers and many elements take time in proportion`() throws {
    let codes = (0..<20_000).map { "C_\($0)_AV" }
    var model = ModelUpstream()
    let (text, _) = model.answer(codes)
    let cut = try AnswerCut(text, asked: codes.map(code), ModelUpstream.merging)
    // Twenty thousand callers with as many elements in all: quadratic work would be 400 million looks.
    let length = codes.reduce(0) { $0 + cut.answer(for: [code($1)]).count }
    #expect(length > text.count)
  }
}
