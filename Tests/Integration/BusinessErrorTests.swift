import TestSupport
import Testing

@Suite("The status of an upstream's business error", .blocking)
struct BusinessErrorTests {
  private static let table = [
    ("400", 422), ("404", 422), ("499", 422), (#""422""#, 422), ("500", 502), ("399", 502), ("600", 502), ("0", 502),
    ("-1", 502), ("1004", 502), ("305", 502),
  ]

  private func lab(_ keys: [String: String] = [:]) throws -> Lab {
    let keys = ["business_errors": "status"].merging(keys) { $1 }
    return try Lab { $0.routes = ["values": keys, "set": ["business_errors": "status"]] }.withToken()
  }

  private static func body(_ code: String) -> String {
    "{ \"code\" : \(code), \"n\":12345678901234567890, \"msg\":\"no\" }"
  }

  @Test func `with business_errors: status the body passes byte for byte, and the status says who has to act`() throws {
    let lab = try lab()
    for (code, status) in Self.table {
      for request in [Request.make(), Request.make("POST", Request.set, body: Request.setBody)] {
        lab.upstream.script(.response(Self.body(code)))
        let response = try lab.call(request)
        #expect(response.status == status && response.text == Self.body(code), "\(code)")
        #expect(response["X-Gateway-Source"] == "live" && response["Content-Type"] == "application/json")
      }
    }
    let class_ = ["adapter": "main", "class": "business_error"]
    #expect(try lab.metric("gateway_upstream_requests_total", class_) == Double(2 * Self.table.count))
    #expect(try lab.metric("gateway_writes_total", ["outcome": "business_error"]) == Double(Self.table.count))
  }

  @Test func `successes and statuses of the upstream's own stay as they are`() throws {
    let lab = try lab()
    for (body, status) in [
      (#"{"code":200,"msg":"ok"}"#, "200 OK"), (#"{"code":"200"}"#, "200 OK"), ("{}", "200 OK"),
      (#"{"code":200}"#, "201 Created"), (#"{"code":404}"#, "404 Not Found"), (#"{"code":500}"#, "500 Oops"),
      (#"{"data":{"code":500}}"#, "200 OK"),
    ] {
      lab.upstream.script(.response(body, status: status))
      let response = try lab.call()
      #expect("\(response.status)" == status.prefix(3) && response.text == body)
    }
  }

  @Test func `without the key an error in HTTP 200 passes as HTTP 200`() throws {
    for keys in [[:], ["business_errors": "pass"]] {
      let lab = try Lab { $0.routes["values"] = keys }.withToken()
      lab.upstream.script(.response(Self.body("500")))
      let response = try lab.call()
      #expect(response.status == 200 && response.text == Self.body("500"))
    }
  }

  @Test func `an error with a status is not cached, and callers that share one call all get it`() throws {
    let lab = try lab(["cache": "30s", "settle": "0s"])
    let gate = Gate()
    lab.upstream.script(.held(by: gate))
    lab.upstream.always(.response(Self.body("404")))
    let first = try lab.connect().send(Request.make(body: #"{"codes":["A"]}"#))
    try eventually("the call") { lab.upstream.dataCalls.count == 1 }
    gate.open()
    #expect(try first.receive().status == 200)
    for _ in 0..<2 {
      let response = try lab.call(Request.make(body: #"{"codes":["B"]}"#))
      #expect(response.status == 422 && response["X-Gateway-Source"] == "live")
    }
    #expect(try lab.call(Request.make(body: #"{"codes":["A"]}"#))["X-Gateway-Source"] == "cache")
  }

  @Test func `a refused write of the simulated building is 422`() throws {
    let lab = try Lab {
      $0.routes["set"] = ["business_errors": "status", "adapter": "demo"]
      $0.routes["force-set"] = ["adapter": "demo"]
    }
    let body = #"{"aryPoints":[{"pointId":"no-such-point","value":1}]}"#
    let refused = try lab.call(Request.make("POST", Request.set, body: body))
    let passed = try lab.call(Request.make("POST", Request.forceSet, body: body))
    #expect(refused.status == 422 && passed.status == 200)
    #expect(refused.json?["code"] as? Int == 422 && passed.json?["code"] as? Int == 422)
  }
}
