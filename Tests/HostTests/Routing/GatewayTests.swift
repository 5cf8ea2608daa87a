import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

/// One gateway serves all tests of the suite. It ends with the process.
@Suite(.blocking) struct GatewayTests {
  private static let started = Result { try start() }

  private struct Running: Sendable {
    let address: SocketAddress
    let admin: SocketAddress
    let drain: @Sendable () -> Void
  }

  /// Starts a gateway on a thread of its own, to which it belongs.
  private static func start() throws -> Running {
    let box = Collected<Running>()
    let failures = Collected<String>()
    let drains = ThreadSignal()
    let drained = ThreadSignal()
    Thread.detachNewThread {
      let source = GatewayRig.source()
      guard let checked = source.load().checked else { return failures.add("the configuration is not valid") }
      do throws(Gateway.StartError) {
        let gateway = try Gateway(checked, from: source, log: GatewayRig.quietLog())
        box.add(
          Running(address: gateway.address, admin: gateway.adminAddress) {
            drains.signal()
            drained.wait()
          })
        drains.wait()
        gateway.drain()
        drained.signal()
      } catch {
        failures.add(error.message)
      }
    }
    return try firstValue("the gateway's start", within: 30) {
      if let failure = failures.all.first { throw ListeningSocket.BindError(message: failure) }
      return box.all.first
    }
  }

  private func connect() throws -> TestSocket {
    try #require(TestSocket.connect(to: GatewayTests.started.get().address))
  }

  private func send(_ request: String) throws -> TestMessage { try #require(connect().ask(request)) }

  private func code(_ response: TestMessage) -> String? {
    let object = try? JSONSerialization.jsonObject(with: Data(response.body)) as? [String: String]
    #expect(object?["requestId"] == response["X-Request-Id"])
    return object?["code"]
  }

  private let json = "Content-Type: application/json\r\n"
  private let values = "/api/iot/codes/values"

  @Test func `values of the mock adapter are responded with their source and request id`() throws {
    let response = try send(
      post(values, #"{"codes":["C_5001_AV_0001"]}"#, json + GatewayRig.token() + "X-Request-Id: mine\r\n"))
    #expect(response.status == 200)
    #expect(response["X-Gateway-Source"] == "mock" && response["X-Request-Id"] == "mine")
    #expect(response.text.contains("C_5001_AV_0001"))
  }

  @Test func `a request is checked in the order route, token, roles, body`() throws {
    let unknown = try send(post("/nowhere", "not JSON"))
    #expect(unknown.status == 404 && code(unknown) == "not_found")
    let method = try send(get(values))
    #expect(method.status == 405 && method["Allow"] == "POST" && code(method) == "method_not_allowed")
    for token in [
      "", "Authorization: Bearer x.y.z\r\n", "Authorization: Basic eDp5\r\n",
      GatewayRig.token(lifetime: .seconds(-3600)),
    ] {
      let refused = try send(post(values, "not JSON", token))
      #expect(refused.status == 401 && refused["WWW-Authenticate"] == "Bearer" && code(refused) == "unauthorized")
    }
    let set = "/api/iot/codes/set"
    let forbidden = try send(post(set, "not JSON", GatewayRig.token(roles: ["reader"])))
    #expect(forbidden.status == 403 && code(forbidden) == "forbidden")
    let bad = try send(post(set, "not JSON", GatewayRig.token(roles: ["writer"])))
    #expect(bad.status == 400 && code(bad) == "bad_json")
    #expect(try send(post("/open", #"{"codes":[]}"#)).status != 401)
  }

  @Test(arguments: [
    "", "[]", "{", #"{"a":1,"a":2}"#, #"{"a":1} x"#, "{\"a\":\"\u{1}\"}", String(repeating: "[", count: 100),
  ])
  func `a body that is not one valid JSON object is refused`(_ body: String) throws {
    let response = try send(post(values, body, json + GatewayRig.token()))
    #expect(response.status == 400 && code(response) == "bad_json")
  }

  @Test func `body limits: empty for alarms only, JSON types only, up to the maximum size`() throws {
    #expect(try send(post("/api/iot/alarms", "", GatewayRig.token())).status == 200)
    let text = try send(post(values, "{}", "Content-Type: text/plain\r\n" + GatewayRig.token()))
    #expect(text.status == 415 && code(text) == "unsupported_media_type")
    let long = try send(post(values, "{\"x\":\"\(String(repeating: "x", count: 70_000))\"}", GatewayRig.token()))
    #expect(long.status == 413 && code(long) == "body_too_large")
    let later = try send(get("/api/status", GatewayRig.token()))
    #expect(later.status == 501 && code(later) == "unsupported_operation")
  }

  @Test func `the token route serves GET and HEAD, and forbids storing`() throws {
    let response = try send(get("/api/iot/token", GatewayRig.token()))
    #expect(response.status == 200 && response["Cache-Control"] == "no-store")
    #expect(response.text.contains("\"adapter\":\"demo\""))
    let client = try connect()
    client.send("HEAD /api/iot/token HTTP/1.1\r\nHost: h\r\n\(GatewayRig.token())\r\n")
    #expect(client.receiveMessage(to: "HEAD")?.status == 200)
    #expect(client.ask(get("/nowhere"))?.status == 404, "the connection continues")
  }

  @Test func `the admin pages are served on their own listener only`() throws {
    let client = try #require(TestSocket.connect(to: GatewayTests.started.get().admin))
    #expect(client.ask(get("/livez"))?.text == "ok\n")
    #expect(client.ask(get("/readyz"))?.text.contains("\"status\":\"ready\"") == true)
    #expect(client.ask(get("/metrics"))?.text.contains("gateway_http_requests_total") == true)
    #expect(client.ask(post("/livez", ""))?.status == 405)
    #expect(client.ask(get(values))?.status == 404)
    #expect(try send(get("/metrics")).status == 404)
  }

  @Test func `a draining gateway finishes requests in flight, and refuses new connections at once`() throws {
    let running = try GatewayTests.start()
    let idle = try #require(TestSocket.connect(to: running.address))
    #expect(idle.ask(get("/nowhere"))?.status == 404)
    let busy = try #require(TestSocket.connect(to: running.address))
    busy.send("POST /open HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n")
    #expect(busy.receiveHead()?.hasPrefix("HTTP/1.1 100") == true)
    let isDrained = Collected<Bool>()
    Thread.detachNewThread {
      running.drain()
      isDrained.add(true)
    }
    #expect(idle.receiveAll().end == .finished)
    idle.close()
    // The listener is closed before the wait for requests in flight: a connection is refused, not left waiting.
    #expect(TestSocket.connect(to: running.address) == nil)
    #expect(isDrained.count == 0)
    busy.send(#"{"codes":[]}"#)
    let response = busy.receiveMessage()
    #expect(response?.status != nil && response?.keepsAlive == false)
    busy.close()
    try eventually("the end of the drain", within: 10) { isDrained.count == 1 }
  }
}
