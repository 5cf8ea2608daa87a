import AdapterAPI
import Testing

@Suite("JSON: the top-level code of a response")
struct JSONTopLevelTests {
  @Test(arguments: [
    (#"{"code":200,"msg":"x"}"#, 200), (#"{"code":"301"}"#, 301), (#" { "msg" : "x" , "code" : 302 } "#, 302),
    (#"{"code":301.0}"#, 301), (#"{"code":-7,"#, -7), (#"{"code":0}"#, 0), ("\u{feff}{\"code\":5}", 5),
    (#"{"data":[{"code":1},[[{"code":2}]]],"code":3}"#, 3), (#"{"msg":"\"code\":1,}]","code":4}"#, 4),
    (#"{"a":"\\","code":6}"#, 6), (#"{"c\u006fde":7}"#, 7), (#"{"code":8,"code":9}"#, 8),
    (#"{"code":200,"a":[cut o"#, 200),
    (#"{"code":200 "#, 200),
  ])
  func `code returns the number of the top-level member`(_ text: String, _ code: Int) {
    #expect(TopLevel.code(in: Array(text.utf8)) == code)
  }

  @Test(arguments: [
    "", "{", "{}", "[]", #"[{"code":301}]"#, "301", #""code":301"#, "<html>{\"code\":301}", #"{"data":{"code":301}}"#,
    #"{"data":[{"code":301}],"x":1}"#, #"{"Code":301}"#, #"{"codes":301}"#, #"{"code":null}"#, #"{"code":true}"#,
    #"{"code":[301]}"#,
    #"{"code":{"code":301}}"#, #"{"code":"3x1"}"#, #"{"code":""}"#, #"{"code":"301"#, #"{"code":30"#, #"{"code":301"#,
    #"{"code":"#,
    #"{"code":301.5}"#, #"{"code":3e2}"#, #"{"code":99999999999999999999999}"#, #"{"code":-}"#, #"{"a":"code":301}"#,
    #"{"a":[1,2,"code":301"#, #"{"msg":"never closed,"code":301}"#, #"{"code" 301}"#, #"{"a":1}"code":301}"#,
  ])
  func `code returns nil without a complete top-level code`(_ text: String) {
    #expect(TopLevel.code(in: Array(text.utf8)) == nil)
  }

  @Test func `code of a response that is cut anywhere is the code or nil`() {
    let bytes = Array(#"{"msg":"a\"b","data":{"code":301,"x":[1,"]}"]},"c\u006fde":302,"more":[1]}"#.utf8)
    for count in 0...bytes.count {
      let code = TopLevel.code(in: Array(bytes[..<count]))
      #expect(code == nil || code == 302)
    }
    #expect(TopLevel.code(in: bytes) == 302)
  }

  @Test func `random bytes cause no crash`() {
    var generator = SystemRandomNumberGenerator()
    let alphabet = Array(#"{}[]":,\code301 "#.utf8) + [0, 0x80, 0xff]
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in
        alphabet.randomElement(using: &generator) ?? 0
      }
      let code = TopLevel.code(in: bytes)
      // A code needs its digits.
      #expect(code == nil || bytes.contains { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
      // The parser accepts every text that the check accepts.
      if JSONShape.check(bytes) == nil { #expect((try? JSONValue(parsing: bytes)) != nil) }
    }
  }

  @Test func `firstByte skips white space and a byte order mark`() {
    #expect(TopLevel.firstByte(of: Array(" \n{".utf8)) == UInt8(ascii: "{"))
    #expect(TopLevel.firstByte(of: Array("\u{feff} [".utf8)) == UInt8(ascii: "["))
    #expect(TopLevel.firstByte(of: []) == nil)
    #expect(TopLevel.firstByte(of: [0x20, 0x0A]) == nil)
  }
}
