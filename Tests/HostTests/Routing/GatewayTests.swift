import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

/// One gateway for all requests of the suite; it ends with the process.
@Suite(.blocking) struct GatewayTests {
  private static let started = Result { try start() }

  private struct Running: Sendable {
    let address: SocketAddress
    let admin: SocketAddress
    let drain: @Sendable () -> Void
  }

  /// A gateway belongs to the thread that made it.
  private static func start() throws -> Running {
    let box = Collected<Running>()
    let failures = Collected<String>()
    let drains = ThreadSignal()
    let drained = ThreadSignal()
    Thread.detachNewThread {
      let source = GatewayRig.source()
      guard let checked = source.load().checked else { return failures.add("the configuration is bad") }
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
    while box.count == 0 {
      if let failure = failures.all.first { throw ListeningSocket.BindError(message: failure) }
      usleep(1_000)
    }
    return box.all[0]
  }

  private func ask(_ request: String) throws -> TestMessage {
    let running = try GatewayTests.started.get()
    let client = try #require(TestSocket.connect(to: running.address))
    return try #require(client.ask(request))
  }

  private func code(_ answer: TestMessage) -> String? {
    let object = try? JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: String]
    #expect(object?["requestId"] == answer["X-Request-Id"])
    return object?["code"]
  }

  private let json = "Content-Type: application/json\r\n"
  private let values = "/api/iot/codes/values"

  @Test func `values of the mock come back, and say that they are the mock's`() throws {
    let answer = try ask(
      post(values, #"{"codes":["C_5001_AV_0001"]}"#, json + GatewayRig.token() + "X-Request-Id: mine\r\n"))
    #expect(answer.status == 200)
    #expect(answer["X-Gateway-Source"] == "mock" && answer["X-Request-Id"] == "mine")
    #expect(answer.text.contains("C_5001_AV_0001"))
  }

  @Test func `first the route, then the token, then the roles, then the body`() throws {
    let nobody = try ask(post("/nowhere", "not JSON"))
    #expect(nobody.status == 404 && code(nobody) == "not_found")
    let method = try ask(get(values))
    #expect(method.status == 405 && method["Allow"] == "POST" && code(method) == "method_not_allowed")
    for token in [
      "", "Authorization: Bearer x.y.z\r\n", "Authorization: Basic eDp5\r\n",
      GatewayRig.token(lifetime: .seconds(-3600)),
    ] {
      let refused = try ask(post(values, "not JSON", token))
      #expect(refused.status == 401 && refused["WWW-Authenticate"] == "Bearer" && code(refused) == "unauthorized")
    }
    let set = "/api/iot/codes/set"
    let forbidden = try ask(post(set, "not JSON", GatewayRig.token(roles: ["reader"])))
    #expect(forbidden.status == 403 && code(forbidden) == "forbidden")
    let bad = try ask(post(set, "not JSON", GatewayRig.token(roles: ["writer"])))
    #expect(bad.status == 400 && code(bad) == "bad_json")
    #expect(try ask(post("/open", #"{"codes":[]}"#)).status != 401)
  }

  @Test(arguments: [
    "", "[]", "{", #"{"a":1,"a":2}"#, #"{"a":1} x"#, "{\"a\":\"\u{1}\"}", String(repeating: "[", count: 100),
  ])
  func `a body that is not one good JSON object is refused`(_ body: String) throws {
    let answer = try ask(post(values, body, json + GatewayRig.token()))
    #expect(answer.status == 400 && code(answer) == "bad_json")
  }

  @Test func `an empty body is one for alarms, another type is none anywhere, a long one is too long`() throws {
    #expect(try ask(post("/api/iot/alarms", "", GatewayRig.token())).status == 200)
    let text = try ask(post(values, "{}", "Content-Type: text/plain\r\n" + GatewayRig.token()))
    #expect(text.status == 415 && code(text) == "unsupported_media_type")
    let long = try ask(post(values, "{\"x\":\"\(String(repeating: "x", count: 70_000))\"}", GatewayRig.token()))
    #expect(long.status == 413 && code(long) == "body_too_large")
    let later = try ask(get("/api/status", GatewayRig.token()))
    #expect(later.status == 501 && code(later) == "unsupported_operation")
  }

  @Test func `the token route answers, to HEAD too, and is not stored anywhere`() throws {
    let answer = try ask(get("/api/iot/token", GatewayRig.token()))
    #expect(answer.status == 200 && answer["Cache-Control"] == "no-store")
    #expect(answer.text.contains("\"adapter\":\"demo\""))
    let running = try GatewayTests.started.get()
    let client = try #require(TestSocket.connect(to: running.address))
    client.send("HEAD /api/iot/token HTTP/1.1\r\nHost: h\r\n\(GatewayRig.token())\r\n")
    #expect(client.receiveMessage(hasBody: false)?.status == 200)
    #expect(client.ask(get("/nowhere"))?.status == 404, "the connection goes on")
  }

  @Test func `the admin pages live on their own listener`() throws {
    let running = try GatewayTests.started.get()
    let client = try #require(TestSocket.connect(to: running.admin))
    #expect(client.ask(get("/livez"))?.text == "ok\n")
    #expect(client.ask(get("/readyz"))?.text.contains("\"status\":\"ready\"") == true)
    #expect(client.ask(get("/metrics"))?.text.contains("gateway_http_requests_total") == true)
    #expect(client.ask(post("/livez", ""))?.status == 405)
    #expect(client.ask(get(values))?.status == 404)
    #expect(try ask(get("/metrics")).status == 404)
  }

  @Test func `a draining gateway ends what is in flight, and refuses new connections at once`() throws {
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
    // The listener is closed before the wait for what is in flight: a connection is refused, not left waiting.
    #expect(TestSocket.connect(to: running.address) == nil)
    #expect(isDrained.count == 0)
    busy.send(#"{"codes":[]}"#)
    let answer = busy.receiveMessage()
    #expect(answer?.status != nil && answer?.keepsAlive == false)
    busy.close()
    let end = System.monotonic() + 10_000_000_000
    while isDrained.count == 0, System.monotonic() < end { usleep(1_000) }
    #expect(isDrained.count == 1)
  }
}
