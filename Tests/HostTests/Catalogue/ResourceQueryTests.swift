import Testing

@testable import Host

@Suite struct ResourceQueryTests {
  private func refusal(_ query: String) -> GatewayError? {
    #expect(throws: GatewayError.self, "\(query)") { try ObjectListQuery(query) }
  }

  @Test func `query parameters are decoded, and empty ones are absent`() throws {
    let list = try ObjectListQuery("type=a%2Bb+c&q=%C3%A9%26&limit=7&cursor=").query
    #expect(list.type == "a+b c" && list.text == "é&" && list.limit == 7 && list.after == nil)
    let empty = try ObjectListQuery("type=&q=&&limit=&").query
    #expect(empty.type == nil && empty.text == nil && empty.limit == 100)
  }

  @Test(arguments: [
    "limit=0", "limit=1001", "limit=-1", "limit=+1", "limit=1.0", "limit=99999999999999999999", "limit=a",
    "limit=1&limit=1", "Limit=1", "page=2", "=1", "q=%", "q=%4", "q=%zz", "q=%ff", "q=%00", "cursor=x", "cursor=MQ",
    "cursor=MgY", "cursor=%20", "cursor=Mf8", "cursor=MQA",
  ])
  func `an invalid query is refused`(query: String) {
    let error = refusal(query)
    #expect(error?.status == 400 && error?.code == .badRequest, "\(query)")
  }

  @Test func `the message about an unknown parameter names the known ones`() {
    #expect(refusal("limt=1")?.message.hasSuffix("; did you mean 'limit'?") == true)
    #expect(refusal("x=1")?.message.hasSuffix("there are type, q, limit, cursor, metadata.KEY.") == true)
  }

  @Test func `the link to the next page keeps the filters`() throws {
    let list = try ObjectListQuery("q=a%22%3E%20b%26c&limit=2&type=")
    let link = list.link("/api/objects", after: "Ä,>;\" 1")
    #expect(link.hasPrefix("</api/objects?q=a%22%3E%20b%26c&limit=2&cursor=") && link.hasSuffix(">; rel=\"next\""))
    let query = try #require(link.split(separator: "?").last?.split(separator: ">").first)
    let next = try ObjectListQuery(String(query)).query
    #expect(next.after == "Ä,>;\" 1" && next.text == "a\"> b&c" && next.limit == 2 && next.type == nil)
  }

  @Test func `SyncQuery reads adapter and dryRun`() throws {
    let plain = try SyncQuery("", adapter: "main")
    #expect(plain.adapter == "main" && !plain.isDryRun)
    let dry = try SyncQuery("adapter=annex&dryRun=true", adapter: "main")
    #expect(dry.adapter == "annex" && dry.isDryRun)
    for query in ["dryRun=1", "dryrun=true", "adapter=a&adapter=b"] {
      #expect(throws: GatewayError.self, "\(query)") { try SyncQuery(query, adapter: "main") }
    }
  }
}
