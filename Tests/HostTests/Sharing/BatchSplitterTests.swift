import AdapterAPI
import TestSupport
import Testing

@testable import Host

@Suite struct BatchSplitterTests {
  private func splitter(
    _ text: String, _ codes: [String], _ merging: PointMerging = ModelUpstream.merging
  ) throws -> BatchSplitter {
    try BatchSplitter(Array(text.utf8), codes: codes.map(code), merging)
  }

  /// Returns the reason for which a response of another form is refused.
  private func reason(_ text: String) -> String? {
    let refusal = #expect(throws: BatchSplitter.Refusal.self) { try splitter(text, ["a"]) }
    if case .form(let reason) = refusal { return reason }
    return nil
  }

  private func code(_ text: String) -> PointCode { PointCode(bytes: Array(text.utf8)[...]) }

  private func body(_ text: String, codes: [String], own: [String]) throws -> String {
    String(decoding: try splitter(text, codes).body(for: own.map(code)), as: UTF8.self)
  }

  @Test func `body has a request's elements in the order of its codes and the upstream's spelling`() throws {
    let text =
      #"{"code":200,"msg":"ok","ResultPointObjArr":[{"pointId":"b","value":1e400},{"value":0.10,"pointId":"a"}]}"#
    let frame = { (elements: String) in #"{"code":200,"msg":"ok","ResultPointObjArr":[\#(elements)]}"# }
    #expect(try body(text, codes: ["c", "b", "a"], own: ["b", "a"]) == text)
    #expect(
      try body(text, codes: ["c", "b", "a"], own: ["a", "c", "b"])
        == frame(#"{"value":0.10,"pointId":"a"},{"pointId":"b","value":1e400}"#))
    #expect(try body(text, codes: ["c", "b", "a"], own: ["a"]) == frame(#"{"value":0.10,"pointId":"a"}"#))
    #expect(try body(text, codes: ["c", "b", "a"], own: ["c"]) == frame(""))
  }

  @Test func `body has the upstream's own order where the response does not have the order of the call`() throws {
    let text = #"{"ResultPointObjArr":[{"pointId":"b"},{"pointId":"a"}],"errors":[{"pointId":"x"},{"pointId":"y"}]}"#
    let sorted = try splitter(text, ["a", "x", "b", "y"])
    #expect(sorted.hasOwnOrder)
    #expect(sorted.body(for: ["a", "y", "b", "x"].map(code)) == Array(text.utf8))
    // The order of the call, in each array by itself.
    let called = try splitter(text, ["x", "b", "y", "a"])
    #expect(!called.hasOwnOrder)
    #expect(
      called.body(for: ["a", "y", "b", "x"].map(code))
        == Array(
          #"{"ResultPointObjArr":[{"pointId":"a"},{"pointId":"b"}],"errors":[{"pointId":"y"},{"pointId":"x"}]}"#.utf8))
    // An earlier response has shown that the upstream has an order of its own.
    let known = try BatchSplitter(
      Array(text.utf8), codes: ["x", "b", "y", "a"].map(code), ModelUpstream.merging, keepsOwnOrder: true)
    #expect(known.body(for: ["a", "y", "b", "x"].map(code)) == Array(text.utf8))
  }

  @Test func `body leaves out an empty optional array with its comma, at any place`() throws {
    let merging = PointMerging(
      codes: "codes", arrays: [PointMerging.Elements("errors", isLeftOutWhenEmpty: true)], id: "pointId",
      common: ["code", "msg"])
    for (text, own) in [
      (#"{"errors":[{"pointId":"b"}], "code":200}"#, #"{"code":200}"#),
      (#"{"code":200 ,"errors":[{"pointId":"b"}], "msg":1}"#, #"{"code":200, "msg":1}"#),
      (#"{"errors":[{"pointId":"b"}]}"#, "{}"), (#"{"errors":[],"code":200}"#, #"{"errors":[],"code":200}"#),
      (#"{"errors":null,"code":200}"#, #"{"errors":null,"code":200}"#), (" { } ", "{}"),
    ] {
      let body = try splitter(text, ["a", "b"], merging).body(for: [code("a")])
      #expect(String(decoding: body, as: UTF8.self) == own)
    }
  }

  @Test(arguments: ["\u{feff}", "\u{feff} \n"])
  func `a byte order mark before the upstream's response stays in front of each part`(_ mark: String) throws {
    let text = #"\#(mark){"code":200,"ResultPointObjArr":[{"pointId":"a"},{"pointId":"b"}]}"#
    #expect(
      try body(text, codes: ["a", "b"], own: ["b"]) == #"\#(mark){"code":200,"ResultPointObjArr":[{"pointId":"b"}]}"#)
  }

  @Test(arguments: [#"{"code":200}"#, "\u{feff}{}", "{}", #"{"msg":"x","errors":[{"pointId":"a"}]}"#])
  func `a response without the array of points is refused once`(_ text: String) {
    #expect(throws: BatchSplitter.Refusal.once) { try splitter(text, ["a", "b"]) }
  }

  @Test func `ids are compared by the bytes of their unescaped text`() throws {
    let text = #"{"ResultPointObjArr":[{"p\u006fintId":"\u00e9\/\ud83d\ude00"},{"pointId":"é"}]}"#
    #expect(
      try body(text, codes: ["\u{e9}/😀", "é"], own: ["\u{e9}/😀"])
        == #"{"ResultPointObjArr":[{"p\u006fintId":"\u00e9\/\ud83d\ude00"}]}"#)
    // The same letter as two Unicode characters is another code.
    #expect(throws: BatchSplitter.Refusal.once) { try splitter(text, ["e\u{301}/😀", "é"]) }
  }

  @Test(arguments: [
    #"{"value":1}"#, #"{"pointId":1}"#, #"{"pointId":null}"#, #"{"pointId":"a","pointId":"b"}"#, "1", "null", "[]",
    #"{"pointId":"x"}"#, #"{"pointId":"A"}"#, #"{"pointId":"\ud800"}"#, #"{"pointId":""}"#,
  ])
  func `a response with an element that names no requested point is refused once`(_ element: String) {
    #expect(throws: BatchSplitter.Refusal.once) {
      try splitter(#"{"code":200,"ResultPointObjArr":[{"pointId":"a"},\#(element)]}"#, ["a", "b"])
    }
  }

  @Test(arguments: [
    #"{"code":200,"total":1,"ResultPointObjArr":[]}"#, #"{"code":200,"ResultPointObjArr":{}}"#,
    #"{"code":200,"errors":1}"#, #"{"code":200,"code":200}"#, #"{"errors":[],"errors":[]}"#, "[]", "", "<html>",
    #"{"code":200"#, "\u{feff}\u{feff}{}", " \u{feff}{}", "\u{feff}", #"{"code":200}{}"#,
    #"{"code":200,"ResultPointObjArr":[{"pointId":"a"}}"#,
  ])
  func `an envelope of another form than the adapter declares is refused with a reason`(_ text: String) {
    #expect(reason(text)?.isEmpty == false, "\(text)")
  }

  @Test func `the reason for a refusal has no control characters`() {
    #expect(reason(#"{"\u001b[31m\u202e":1}"#)?.contains("?[31m?") == true)
  }

  @Test func `a splitter of any mutated text is refused or gives valid JSON`() {
    let text = Array(
      #" {"code":200,"msg":"\u00e9","ResultPointObjArr":[{"pointId":"a","v":[1,{}]} , {"pointId":"\u0062"}],"errors":[]}"#
        .utf8)
    var random = SeededGenerator(seed: 5)
    var accepted = 0
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
      guard let splitter = try? BatchSplitter(changed, codes: [code("a"), code("b")], ModelUpstream.merging) else {
        continue
      }
      accepted += 1
      for own in [["a"], ["b"], ["b", "a"]] {
        let body = splitter.body(for: own.map(code))
        #expect(JSONShape.check(body) == nil, "\(String(decoding: changed, as: UTF8.self))")
      }
    }
    #expect(accepted > 1000)
  }

  @Test func `splitting takes time in proportion to the requests and elements`() throws {
    let codes = (0..<20_000).map { "C_\($0)_AV" }
    var model = ModelUpstream()
    let (text, _) = model.answer(codes)
    let splitter = try BatchSplitter(text, codes: codes.map(code), ModelUpstream.merging)
    // Twenty thousand requests with one element each: quadratic work would take 400 million steps.
    let length = codes.reduce(0) { $0 + splitter.body(for: [code($1)]).count }
    #expect(length > text.count)
  }
}
