import Testing

@testable import Host

@Suite struct WrittenPointsTests {
  private func written(_ body: String) -> (text: String, count: Int?) {
    let points = WrittenPoints(Array(body.utf8))
    return (String(decoding: points.text, as: UTF8.self), points.count)
  }

  private func points(_ values: [String]) -> String {
    let points = values.enumerated().map { #"{"pointId":"P\#($0.offset)","value":\#($0.element)}"# }
    return #"{"aryPoints":[\#(points.joined(separator: ","))]}"#
  }

  @Test func `points and values of a write are shown as they are written`() {
    for (body, text, count) in [
      (#"{"aryPoints":[{"pointId":"C_5001_AV_0001","value":21.50}]}"#, "C_5001_AV_0001=21.50", 1),
      (#"{"aryPoints":[{"value":"on","pointId":"A"},{"pointId":"B","value":null}]}"#, #"A="on", B=null"#, 2),
      (#" { "x" : 1, "aryPoints" : [ { "pointId" : "A" , "y" : [2], "value" : {"a": 1} } ] } "#, #"A={"a": 1}"#, 1),
      (
        #"{"aryPoints":[{"pointId":"温度\n","value":123456789012345678901234567890}]}"#,
        #"温度\n=123456789012345678901234567890"#, 1
      ),
      (#"{"\u0061ryPoints":[{"pointId":"A","value":true}]}"#, "A=true", 1), (#"{"aryPoints":[]}"#, "", 0),
    ] {
      let (shown, number) = written(body)
      #expect(shown == text && number == count, "\(body)")
    }
  }

  @Test func `at most ten points and 256 bytes of values are shown, and the number of the remaining points`() {
    let ten = (0..<10).map { "P\($0)=1" }.joined(separator: ", ")
    #expect(written(points([String](repeating: "1", count: 10))) == (ten, 10))
    #expect(written(points([String](repeating: "1", count: 1000))) == (ten + " …and 990 more", 1000))
    let long = "\"" + String(repeating: "a", count: 200) + "\""
    let (text, count) = written(points([long, long, long]))
    #expect(count == 3 && text.hasSuffix("aaa… …and 1 more") && text.contains("P0=\(long), P1=\"aaa"))
    #expect(text.utf8.count < 300)
    let id = String(repeating: "i", count: 1000)
    #expect(written(#"{"aryPoints":[{"pointId":"\#(id)","value":1}]}"#).text == id.prefix(64) + "…=1")
  }

  @Test func `a text is cut between characters and is never longer than its limit`() {
    for padding in 0..<4 {
      let value = "\"" + String(repeating: "x", count: padding) + String(repeating: "€", count: 200) + "\""
      let points = WrittenPoints(Array(points([String](repeating: value, count: 40)).utf8))
      #expect(String(validating: points.text, as: UTF8.self) != nil)
      #expect(points.text.count < WrittenPoints.textLimit)
    }
    let ids = (0..<20).map { #"{"pointId":"\#(String(repeating: "€", count: 100))\#($0)","value":1}"# }
    let points = WrittenPoints(Array(#"{"aryPoints":[\#(ids.joined(separator: ","))]}"#.utf8))
    #expect(points.text.count < WrittenPoints.textLimit && points.count == 20)
  }

  @Test func `a body of another form is shown by its first bytes`() {
    for body in [
      "{}", #"{"points":[1]}"#, #"{"aryPoints":1}"#, #"{"aryPoints":[1]}"#, #"{"aryPoints":[{"pointId":1,"value":1}]}"#,
      #"{"aryPoints":[{"pointId":"A"}]}"#, #"{"aryPoints":[{"pointId":"A","value":1},{}]}"#,
    ] {
      #expect(written(body) == (body, nil), "\(body)")
    }
    let long = #"{"x":"\#(String(repeating: "y", count: 1000))"}"#
    #expect(written(long) == (long.prefix(256) + "…", nil))
  }
}
