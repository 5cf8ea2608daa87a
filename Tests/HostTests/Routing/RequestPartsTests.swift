import Testing

@testable import Host

/// The checks of header fields that the pipeline makes.
@Suite struct RequestPartsTests {
  private func isJSON(_ text: String) -> Bool { Array(text.utf8).withUnsafeBufferPointer(MediaType.isJSON) }
  private func isValid(_ text: String) -> Bool { Array(text.utf8).withUnsafeBufferPointer(RequestID.isValid) }

  @Test(arguments: [
    "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=utf-8",
    "application/json ; x=y", "application/problem+json", "application/ld+JSON; x", "model/gltf+json", "a/b+json",
  ])
  func `MediaType.isJSON accepts JSON by each of its names`(_ text: String) { #expect(isJSON(text)) }

  @Test(arguments: [
    "", "json", "text/json", "text/plain", "application/jsonp", "application/json5", "xapplication/json",
    "application/xml",
    "+json", "/+json", "application/+json", "application+json", "text/plain; application/json",
    "application/json, text/plain",
    ";application/json",
  ])
  func `MediaType.isJSON refuses other types`(_ text: String) { #expect(!isJSON(text)) }

  private func isUTF8(_ text: String) -> Bool { Array(text.utf8).withUnsafeBufferPointer(MediaType.isUTF8) }

  @Test(arguments: [
    "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8",
    "application/json ; Charset=\"Utf-8\"", "application/json; charset=utf8", "application/json; a=b; charset=utf-8",
    "application/json; charset=utf-8; a=b", "application/json;; charset=utf-8;",
    "application/json; charset=\"u\\tf-8\"",
    "application/json; x=\";charset=latin1\"", "application/json; x=\"\\\";charset=latin1\"",
    "application/json; charset",
    "application/json; xcharset=latin1", "application/json; charset = utf-8",
  ])
  func `a charset of UTF-8, or none, is accepted`(_ text: String) { #expect(isUTF8(text)) }

  @Test(arguments: [
    "application/json; charset=iso-8859-1", "application/json;charset=\"ISO-8859-1\"", "application/json; CHARSET=gbk",
    "application/json; charset=utf-16", "application/json; charset=us-ascii", "application/json; charset=",
    "application/json; charset='utf-8'", "application/json; charset=utf-8; charset=gbk",
    "application/json; charset=utf-8x",
    "application/json; charset=xutf-8", "application/json; a=b;charset=utf_8", "application/json; charset=\"utf-8",
    "application/json; x=\"a\"; charset=gbk", "application/json\t;\tcharset=gbk",
    "application/json; charset=\"utf-8 \"",
  ])
  func `a charset other than UTF-8 is refused, quoted or not, in any case and behind other parameters`(_ text: String) {
    #expect(!isUTF8(text))
  }

  @Test func `RequestID.isValid accepts 1 to 128 unreserved characters`() {
    for text in ["a", "A-Z_0.9", String(repeating: "x", count: 128)] { #expect(isValid(text)) }
    for text in ["", String(repeating: "x", count: 129), "a b", "a\r\nb", "é", "a/b", "\"", "a\u{0}"] {
      #expect(!isValid(text))
    }
  }

  @Test func `RequestID.make returns different valid ids`() {
    let ids = Set((0..<1000).map { _ in RequestID.make() })
    #expect(ids.count == 1000 && ids.allSatisfy { isValid($0) && $0.utf8.count == 15 })
    #expect(RequestID.make(0) == "000000000000000")
    #expect(RequestID.make(0x0123_4567_89AB_CDEF) == "123456789abcdef")
    #expect(RequestID.make(.max) == "fffffffffffffff")
    var numbers = IDNumbers()
    #expect(Set((0..<1000).map { _ in numbers.next() }).count == 1000)
  }
}
