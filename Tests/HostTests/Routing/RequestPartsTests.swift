import Testing

@testable import Host

/// What the pipeline reads out of a request's fields.
@Suite struct RequestPartsTests {
  private func isJSON(_ text: String) -> Bool { Array(text.utf8).withUnsafeBufferPointer(MediaType.isJSON) }
  private func isSane(_ text: String) -> Bool { Array(text.utf8).withUnsafeBufferPointer(RequestID.isSane) }

  @Test(arguments: [
    "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=utf-8",
    "application/json ; x=y", "application/problem+json", "application/ld+JSON; x", "model/gltf+json", "a/b+json",
  ])
  func `JSON by any of its names`(_ text: String) { #expect(isJSON(text)) }

  @Test(arguments: [
    "", "json", "text/json", "text/plain", "application/jsonp", "application/json5", "xapplication/json",
    "application/xml",
    "+json", "/+json", "application/+json", "application+json", "text/plain; application/json",
    "application/json, text/plain",
    ";application/json",
  ])
  func `what is no JSON`(_ text: String) { #expect(!isJSON(text)) }

  @Test func `an id of the caller's is taken when it is sane`() {
    for text in ["a", "A-Z_0.9", String(repeating: "x", count: 128)] { #expect(isSane(text)) }
    for text in ["", String(repeating: "x", count: 129), "a b", "a\r\nb", "é", "a/b", "\"", "a\u{0}"] {
      #expect(!isSane(text))
    }
  }

  @Test func `ids of ours are sane, and differ`() {
    var ids: Set<String> = []
    for _ in 0..<1000 {
      let id = RequestID.make()
      #expect(isSane(id) && id.utf8.count == 15)
      ids.insert(id)
    }
    #expect(ids.count == 1000)
    #expect(RequestID.make(0) == "000000000000000")
    #expect(RequestID.make(0x0123_4567_89ab_cdef) == "123456789abcdef")
    #expect(RequestID.make(.max) == "fffffffffffffff")
    var numbers = IDNumbers()
    #expect(Set((0..<1000).map { _ in numbers.next() }).count == 1000)
  }
}
