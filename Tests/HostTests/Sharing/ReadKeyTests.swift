import AdapterAPI
import Testing

@testable import Host

@Suite struct ReadKeyTests {
  private static let fields = "Content-Type: application/json\r\nAccept: */*\r\nprop: name\r\n"

  private func key(_ request: AdapterRequest, adapter: Int = 1) -> ReadKey { ReadKey(adapter: adapter, request) }

  @Test func `keys of requests that differ in trace fields only are equal`() {
    let a = key(Shared.request(fields: Self.fields, traceFields: "X-Request-Id: a\r\n"))
    let traced = "traceparent: 00-1-2-01\r\ntracestate: prop: x\r\nX-Request-Id: b\r\n"
    let b = key(Shared.request(fields: Self.fields, traceFields: traced))
    #expect(a == b)
    #expect(a.hashValue == b.hashValue)
    #expect(a.stripe(among: 16) == b.stripe(among: 16))
  }

  @Test(
    arguments: [
      Shared.request(#"{"codes":["Q"]}"#, fields: fields), Shared.request(#"{"codes": ["P"]}"#, fields: fields),
      Shared.request(#"{"codes":["P"]}"#, .history, fields: fields),
      Shared.request(fields: fields.replacing("name", with: "other")), Shared.request(fields: ""),
      Shared.request(fields: fields.replacing("*/*", with: "text/csv")),
      Shared.request(fields: fields.replacing("/json", with: "/json; a=b")),
    ])
  func `keys of requests that differ in operation, body or an identifying field differ`(request: AdapterRequest) {
    #expect(key(request) != key(Shared.request(fields: Self.fields)))
  }

  @Test func `keys of two adapter instances differ`() {
    #expect(key(Shared.request(), adapter: 1) != key(Shared.request(), adapter: 2))
  }

  @Test func `keys differ when bytes move from the fields into the body`() {
    let a = key(Shared.request("b{}", fields: "prop: a\r\n"))
    let b = key(Shared.request("{}", fields: "prop: a\r\nb"))
    #expect(a != b)
  }
}
