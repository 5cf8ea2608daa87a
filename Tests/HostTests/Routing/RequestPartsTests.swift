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
