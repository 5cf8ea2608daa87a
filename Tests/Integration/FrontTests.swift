import Foundation
import TestSupport
import Testing

/// EcoCtrl's server calls the gateway as if it were WebTalk.
@Suite("The WebTalk front", .blocking)
struct FrontTests {
  private static let values = #"{"codes":["C_5001_AV_0001","C_5930-5_AV_0000"]}"#
  private static let calls = [
    ("getCodesVal", values),
    (
      "getCodesHisVal",
      #"{"codes":["P"],"starttime":"2026-06-20 00:00:00","endtime":"2026-06-21 00:00:00","interval":600}"#
    ),
    ("setCodesVal", #"{"aryPoints":[{"pointId":"P","value":12345678901234567890}]}"#),
    ("forceSetCodesVal", #"{"aryPoints":[{"pointId":"P","value":1.50}]}"#),
    ("getHisAlarms", #"{"starttime":"2026-06-20 00:00:00","endtime":"2026-06-21 00:00:00","level":3}"#),
    ("getAlarmConfigs", "{}"),
  ]

  /// The HTTP status and the code in the body, which is a number for clients of WebTalk.
  private func outcome(_ response: TestMessage) -> String {
    (response.json?["code"] as? Int).map { "\(response.status) \($0)" } ?? response.outcome
  }

  // MARK: tokens

  @Test func `EcoCtrl's server authorizes with its appId and gets a pair of tokens in the form of WebTalk`() throws {
    let lab = try Lab.withFront()
    let before = Int(Date().timeIntervalSince1970)
    let response = try EcoCtrlServer(port: lab.gateway.port).fetchToken("authorization")
    #expect(response.status == 200 && response["Content-Type"] == "application/json")
    #expect(response["Cache-Control"] == "no-store")
    let body = try #require(response.json)
    #expect(Set(body.keys) == ["access_token", "refresh_token", "token_type"])
    #expect(body["token_type"] as? String == "bearer")
    let pair = [("access_token", 7200), ("refresh_token", 720 * 3600)]
    for (name, life) in pair {
      let token = try #require(body[name] as? String)
      let claims = try FrontToken.claims(token)
      let issued = try #require(claims["iat"] as? Int)
      #expect(claims["exp"] as? Int == issued + life && before...before + 60 ~= issued)
      #expect(claims["aud"] as? String == "webtalk-front")
      #expect(!"\(claims)".contains(EcoCtrlServer.appID), "the id is a credential")
      #expect(try FrontToken.changed(token, [:]).isEmpty == false)
    }
    #expect(lab.upstream.calls.allSatisfy { $0.kind == .authorization }, "the upstream sees nothing of it")
  }

  @Test func `the lifetimes of access and refresh tokens are those of the configuration`() throws {
    let lab = try Lab.withFront(["token_life": "90s", "refresh_life": "2h"])
    let server = try lab.ecoctrl()
    for (token, life) in [(server.access, 90), (server.refresh, 7200)] {
      let claims = try FrontToken.claims(token)
      #expect((claims["exp"] as? Int ?? 0) - (claims["iat"] as? Int ?? 0) == life)
    }
  }

  @Test func `an appId that is unknown, empty, missing or another case is refused with 304`() throws {
    let lab = try Lab.withFront()
    for target in [
      "grant_type=authorization&appId=stranger", "grant_type=authorization&appId=", "grant_type=authorization",
      "grant_type=authorization&appId=\(EcoCtrlServer.appID.uppercased())", "grant_type=wrong&appId=stranger", "",
      "grant_type=authorization&appid=\(EcoCtrlServer.appID)",
      "grant_type=authorization&appId=\(EcoCtrlServer.appID)%00", "grant_type=authorization&appId=%ff",
      "grant_type=authorization&appId=\(EcoCtrlServer.appID.dropLast())",
    ] {
      let response = try EcoCtrlServer(port: lab.gateway.port).get("access_token?\(target)")
      #expect(outcome(response) == "200 304", "\(target)")
      #expect(response.json?["error"] is String && response.json?.count == 2)
    }
    #expect(outcome(try EcoCtrlServer(port: lab.gateway.port).get("access_token")) == "200 304")
  }

  @Test(arguments: ["password", "", "Authorization", "authorization+"])
  func `a grant_type that is unknown is refused with 303`(_ word: String) throws {
    let lab = try Lab.withFront()
    let server = EcoCtrlServer(port: lab.gateway.port)
    #expect(outcome(try server.fetchToken(word)) == "200 303")
    #expect(outcome(try server.get("access_token?appId=\(EcoCtrlServer.appID)")) == "200 303")
  }

  @Test func `the query is read as URLSearchParams writes it, and an ambiguous one is refused with HTTP 400`() throws {
    let lab = try Lab.withFront()
    let server = EcoCtrlServer(port: lab.gateway.port)
    let encoded = EcoCtrlServer.appID.utf8.map { "%" + String($0, radix: 16) }.joined()
    #expect(try server.get("access_token?appId=\(encoded)&grant_type=%61uthorization").json?["access_token"] is String)
    #expect(
      try server.get("access_token?_=17&grant_type=authorization&x&appId=\(EcoCtrlServer.appID)&").json?["access_token"]
        is String, "other parameters are ignored")
    for query in [
      "grant_type=authorization&appId=\(EcoCtrlServer.appID)&appId=\(EcoCtrlServer.appID)",
      "grant_type=authorization&grant_type=refresh&appId=\(EcoCtrlServer.appID)",
      "grant_type=authorization&appId=\(EcoCtrlServer.appID)%4", "grant_type=%zz&appId=\(EcoCtrlServer.appID)",
    ] {
      let response = try server.get("access_token?\(query)")
      #expect(response.outcome == "400 bad_request", "\(query)")
      #expect(!response.text.contains(EcoCtrlServer.appID))
    }
  }

  @Test func `a refresh token is exchanged for a new pair, again and again`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let first = (server.access, server.refresh)
    try server.renew()
    try server.renew()
    #expect(server.sent == ["access_token:authorization", "access_token:refresh", "access_token:refresh"])
    #expect(server.access != first.0 && server.refresh != first.1)
    #expect(outcome(try server.request("getCodesVal", Self.values)) == "200 200")
    #expect(lab.upstream.count(.refresh) == 0, "the upstream's own pair is another one")
  }

  @Test func `a refresh token that has expired, is wrongly signed or is no refresh token is refused with 305`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let now = Int(Date().timeIntervalSince1970)
    let unsigned = server.refresh.split(separator: ".").dropLast().joined(separator: ".")
    for token in [
      try FrontToken.changed(server.refresh, ["exp": now]), try FrontToken.changed(server.refresh, ["exp": now - 9000]),
      try FrontToken.changed(server.refresh, secret: "another secret", [:]),
      try FrontToken.changed(server.refresh, ["aud": "pointgate"]),
      try FrontToken.changed(server.refresh, ["aud": nil]),
      try FrontToken.changed(server.refresh, ["exp": nil]), try FrontToken.changed(server.refresh, ["sub": "no-app"]),
      server.access, JWT.caller(), "", "x", unsigned + ".", String(repeating: "A", count: 7000),
    ] {
      #expect(outcome(try server.fetchToken("refresh", refreshToken: token)) == "200 305", "\(token.prefix(200))")
    }
    #expect(outcome(try server.fetchToken("refresh")) == "200 305")
    #expect(try server.fetchToken("refresh", refreshToken: server.refresh).json?["access_token"] is String)
    // EcoCtrl authorizes then.
    server.refresh = "spoilt"
    try server.renew()
    #expect(server.sent.suffix(2) == ["access_token:refresh", "access_token:authorization"])
  }

  @Test func `a refresh token with the appId of another application is refused with 304`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let other = EcoCtrlServer(port: lab.gateway.port, appID: EcoCtrlServer.otherAppID)
    #expect(outcome(try other.fetchToken("refresh", refreshToken: server.refresh)) == "200 304")
    try other.authorize()
    #expect(outcome(try other.post("getCodesVal", Self.values)) == "200 200")
    #expect(outcome(try other.post("getCodesVal", Self.values, token: server.access)) == "200 302")
  }

  // MARK: calls

  @Test func `each call reaches the upstream byte for byte, and its response comes back byte for byte`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    for (number, (call, body)) in Self.calls.enumerated() {
      let answer = "{ \"code\":200, \"n\":1234567890123456789\(number), \"msg\":\"\\u4e2d\" }\n"
      lab.upstream.script(.response(answer))
      let response = try server.post(call, body)
      #expect(response.status == 200 && response.text == answer, "\(call)")
      #expect(response["X-Gateway-Source"] == "live" && response["X-Request-Id"] != nil)
      let seen = try #require(lab.upstream.dataCalls.last)
      #expect(seen.request.startLine == "POST \(EcoCtrlServer.path)/\(call) HTTP/1.1")
      #expect(String(decoding: seen.body, as: UTF8.self) == body)
      #expect(seen.all("appId") == [Secrets.appID] && seen.all("Token").count == 1)
      #expect(!seen.text.contains(EcoCtrlServer.appID) && !seen.text.contains(server.access))
    }
    #expect(lab.upstream.dataCalls.map(\.kind) == [.values, .history, .set, .forceSet, .alarms, .alarmConfigs])
  }

  @Test func `the header prop goes upstream with values and history`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    for (call, body) in Self.calls.prefix(3) { _ = try server.post(call, body, fields: "prop: presentValue\r\n") }
    #expect(lab.upstream.dataCalls.map { $0.all("prop") } == [["presentValue"], ["presentValue"], []])
  }

  @Test func `an upstream's business error passes in HTTP 200, but its refusal of the gateway's token never does`()
    throws
  {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let refused = #"{"code":500,"msg":"the point is not writable"}"#
    lab.upstream.script(.response(refused))
    #expect(try server.request("setCodesVal", Self.calls[2].1).text == refused)
    for code in [301, 302] {
      lab.upstream.script(.envelope(code))
      #expect(outcome(try server.post("getCodesVal", Self.values)) == "200 200", "renewed and repeated")
      lab.upstream.always(.envelope(code))
      #expect(outcome(try server.post("getCodesVal", Self.values)) == "502 upstream_rejected_token")
      lab.upstream.always(nil)
    }
  }

  @Test func `errors of the gateway have its own status and body: upstream away, a wrong body, a wrong type`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    lab.upstream.script(.raw("garbage"))
    #expect(outcome(try server.post("setCodesVal", Self.calls[2].1)) == "502 upstream_malformed")
    #expect(outcome(try server.post("getCodesVal", "[]")) == "400 bad_json")
    #expect(outcome(try server.post("getCodesVal", "")) == "400 bad_json")
    #expect(outcome(try server.post("getCodesVal", #"{"codes":[],"codes":[]}"#)) == "400 bad_json")
    #expect(outcome(try server.post("getAlarmConfigs", "")) == "200 200", "an empty body counts as {}")
    let text = try server.send(
      "POST", "getCodesVal",
      "appId: \(EcoCtrlServer.appID)\r\nToken: \(server.access)\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n",
      "{}")
    #expect(text.outcome == "415 unsupported_media_type")
    let long = #"{"codes":["\#(String(repeating: "x", count: 1 << 20))"]}"#
    #expect(outcome(try server.post("getCodesVal", long)) == "413 body_too_large")
    lab.upstream.stop()
    #expect(outcome(try server.post("setCodesVal", Self.calls[2].1)) == "502 upstream_unreachable")
  }

  @Test func `a path that is no call of WebTalk is 404, and a wrong method is 405 with Allow, with or without a token`()
    throws
  {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    for target in [
      "getCodesVals", "getCodesVal/", "getcodesval", "", "../api/getCodesVal", "getCodesVal/x", "%67etCodesVal",
      "login.php",
    ] {
      #expect(outcome(try server.post(target, "{}")) == "404 not_found", "\(target)")
      #expect(outcome(try server.post(target, "{}", hasAppID: false, hasToken: false)) == "404 not_found")
    }
    for (method, target, allow) in [
      ("GET", "getCodesVal", "POST"), ("PUT", "setCodesVal", "POST"), ("POST", "access_token", "GET, HEAD"),
      ("DELETE", "access_token", "GET, HEAD"),
    ] {
      let response = try server.send(method, target, "content-length: 0\r\n", "")
      #expect(response.outcome == "405 method_not_allowed" && response["Allow"] == allow, "\(method) \(target)")
    }
    #expect(
      try server.send("HEAD", "access_token?grant_type=authorization&appId=\(server.appID)", "", "").status == 200)
  }

  // MARK: refusals

  @Test func `an expired or missing token is 301, and EcoCtrl's server then authorizes and repeats the call once`()
    throws
  {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let now = Int(Date().timeIntervalSince1970)
    let expired = try FrontToken.changed(server.access, ["exp": now])
    #expect(outcome(try server.post("getCodesVal", Self.values, token: expired)) == "200 301", "no leeway")
    #expect(outcome(try server.post("getCodesVal", Self.values, hasToken: false)) == "200 301")
    #expect(outcome(try server.post("getCodesVal", Self.values, token: "")) == "200 301")
    lab.upstream.forgetCalls()
    server.access = expired
    #expect(outcome(try server.request("setCodesVal", Self.calls[2].1)) == "200 200")
    #expect(server.sent.suffix(3) == ["setCodesVal", "access_token:authorization", "setCodesVal"])
    #expect(lab.upstream.dataCalls.count == 1, "the refused write did not reach the upstream")
  }

  @Test func `a token ends at its exp by the gateway's clock`() throws {
    let lab = try Lab.withFront(["token_life": "2s"])
    let server = try lab.ecoctrl()
    #expect(outcome(try server.post("getCodesVal", Self.values)) == "200 200")
    try eventually("the end of the token", within: 10) {
      outcome(try server.post("getCodesVal", Self.values)) == "200 301"
    }
    #expect(Date().timeIntervalSince1970 >= Double(try FrontToken.claims(server.access)["exp"] as? Int ?? .max))
    try server.renew()
    #expect(outcome(try server.post("getCodesVal", Self.values)) == "200 200")
  }

  @Test func `a token that is wrongly signed, of another purpose or not the front's is 302`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let now = Int(Date().timeIntervalSince1970)
    let parts = server.access.split(separator: ".").map(String.init)
    let none = JWT.base64url(Array(#"{"alg":"none"}"#.utf8)) + "." + parts[1] + "."
    for (token, name) in [
      (try FrontToken.changed(server.access, secret: "another secret", [:]), "another secret"),
      (
        JWT.hs256(claims: String(decoding: JWT.decoded(parts[1]) ?? Data(), as: UTF8.self), key: Secrets.jwt),
        "not derived"
      ),
      (server.refresh, "a refresh token"),
      (try FrontToken.changed(server.refresh, ["exp": now - 60]), "an expired refresh token"),
      (try FrontToken.changed(server.access, ["aud": "pointgate"]), "another audience"),
      (try FrontToken.changed(server.access, ["purpose": nil]), "no purpose"),
      (try FrontToken.changed(server.access, ["purpose": ["access", "refresh"]]), "two purposes"),
      (try FrontToken.changed(server.access, ["sub": nil]), "no application"),
      (try FrontToken.changed(server.access, ["exp": nil]), "no end"),
      (try FrontToken.changed(server.access, ["exp": "\(now + 60)"]), "an end that is a text"),
      (JWT.caller(), "a caller's token"), (none, "alg none"), ("Bearer \(server.access)", "Bearer"),
      (parts[0] + "." + parts[1], "no signature"), ("\(server.access)x", "a longer signature"),
      ("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3ODE2OTk0MDB9.AAAA", "WebTalk's own"), ("null", "null"),
      ("undefined", "undefined"),
    ] {
      #expect(outcome(try server.post("getCodesVal", Self.values, token: token)) == "200 302", "\(name)")
    }
    #expect(lab.upstream.dataCalls.isEmpty)
  }

  @Test func `the appId is checked before the token, and a missing or unknown one is 302`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let expired = try FrontToken.changed(server.access, ["exp": 1])
    for token in [server.access, expired, ""] {
      #expect(outcome(try server.post("getCodesVal", Self.values, appID: "stranger", token: token)) == "200 302")
      #expect(outcome(try server.post("getCodesVal", Self.values, token: token, hasAppID: false)) == "200 302")
      #expect(outcome(try server.post("getCodesVal", Self.values, appID: "", token: token)) == "200 302")
    }
    let twice = "appId: \(EcoCtrlServer.appID)\r\n"
    #expect(
      outcome(try server.post("getCodesVal", Self.values, fields: twice)) == "200 302", "two fields are ambiguous")
  }

  @Test func `a refusal comes before the body is looked at`() throws {
    let lab = try Lab.withFront(["write_roles": "[engineer]"])
    let server = try lab.ecoctrl()
    #expect(outcome(try server.post("getCodesVal", "not JSON", token: "x")) == "200 302")
    #expect(outcome(try server.post("setCodesVal", "not JSON")) == "200 403")
    #expect(outcome(try server.post("getCodesVal", "not JSON")) == "400 bad_json")
  }

  @Test func `a caller's token opens the routes of the API only, and a front's token the front only`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    for token in [server.access, server.refresh] {
      #expect(try lab.call(Request.make(token: token)).outcome == "401 unauthorized")
    }
    let bearer = try server.send(
      "POST", "getCodesVal",
      "authorization: Bearer \(JWT.caller())\r\ncontent-type: application/json\r\ncontent-length: 2\r\n", "{}")
    #expect(outcome(bearer) == "200 302")
  }

  @Test func `reading and writing need their roles, and a missing role is 403`() throws {
    let lab = try Lab.withFront(["roles": "[viewer, operator]", "write_roles": "[engineer]"], roles: "[operator]")
    let server = try lab.ecoctrl()
    for (call, body) in Self.calls {
      let isWrite = call.hasSuffix("etCodesVal") && !call.hasPrefix("get")
      let response = try server.request(call, body)
      #expect(outcome(response) == (isWrite ? "200 403" : "200 200"), "\(call)")
      if isWrite { #expect(response.json?["error"] is String) }
    }
    #expect(lab.upstream.count(.set, .forceSet) == 0)
    let other = EcoCtrlServer(port: lab.gateway.port, appID: EcoCtrlServer.otherAppID)
    #expect(outcome(try other.request("getCodesVal", Self.values)) == "200 403", "an application without a role")
  }

  // MARK: operation

  @Test func `tokens are valid after a restart, on another gateway with the same secret, and on every front`() throws {
    let lab = try Lab.withFront {
      $0.moreRoutes.append(EcoCtrlServer.route(["path": "/building/_webtalk/_cur/api", "adapter": "demo"]))
    }
    let server = try lab.ecoctrl()
    lab.gateway.kill()
    try lab.gateway.start()
    let replica = try Lab.withFront(upstream: lab.upstream)
    for port in [lab.gateway.port, replica.gateway.port] {
      let again = EcoCtrlServer(port: port)
      #expect(outcome(try again.post("getCodesVal", Self.values, token: server.access)) == "200 200")
      #expect(try again.fetchToken("refresh", refreshToken: server.refresh).json?["access_token"] is String)
    }
    let second =
      "POST /building/_webtalk/_cur/api/getAlarmConfigs HTTP/1.1\r\nHost: h\r\nappId: \(EcoCtrlServer.appID)\r\n"
      + "Token: \(server.access)\r\nContent-Length: 2\r\n\r\n{}"
    let response = try RawConnection(port: lab.gateway.port).send(second).receive()
    #expect(response.status == 200 && response["X-Gateway-Source"] == "mock")
  }

  @Test func `an application that a reload removes is refused at once, and the remaining one stays logged in`() throws {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let other = EcoCtrlServer(port: lab.gateway.port, appID: EcoCtrlServer.otherAppID)
    try other.authorize()
    try lab.reload(
      GatewayConfiguration {
        $0.moreRoutes = [EcoCtrlServer.route(["apps": "[{app_id: {env: OTHER_APP_ID}, subject: other}]"])]
      }.text)
    #expect(outcome(try server.post("getCodesVal", Self.values)) == "200 302")
    #expect(outcome(try server.fetchToken("refresh", refreshToken: server.refresh)) == "200 304")
    #expect(outcome(try other.post("getCodesVal", Self.values)) == "200 200")
    // Its token is unknown to the remaining application as well.
    #expect(outcome(try other.fetchToken("refresh", refreshToken: server.refresh)) == "200 305")
    try lab.reload(GatewayConfiguration().text)
    #expect(outcome(try other.post("getCodesVal", Self.values)) == "404 not_found")
  }

  @Test func `the simulated building stands behind EcoCtrl's server unchanged`() throws {
    let lab = try Lab.withFront(["adapter": "demo"])
    let server = try lab.ecoctrl()
    let response = try server.request("getCodesVal", #"{"codes":["C_5001_AV_0001"]}"#)
    #expect(response["X-Gateway-Source"] == "mock" && outcome(response) == "200 200")
    let points = response.json?["ResultPointObjArr"] as? [[String: Any]]
    #expect(points?.first?["pointId"] as? String == "C_5001_AV_0001" && points?.first?["value"] != nil)
    #expect(outcome(try server.request("getCodesVal", Self.values)) == "200 200")
    #expect(lab.upstream.dataCalls.isEmpty)
  }

  @Test func `polls of panels and of EcoCtrl's server share one upstream call, and a write empties the cache of both`()
    throws
  {
    let lab = try Lab.withFront(["cache": "30s", "settle": "0s"]) {
      $0.routes["values"] = ["cache": "30s", "settle": "0s"]
    }
    let server = try lab.ecoctrl()
    let panel = Request.make(body: Self.values, fields: "accept: */*\r\n")
    #expect(try lab.call(panel)["X-Gateway-Source"] == "live")
    #expect(try server.post("getCodesVal", Self.values)["X-Gateway-Source"] == "cache")
    #expect(lab.upstream.count(.values) == 1)
    #expect(try server.post("setCodesVal", Self.calls[2].1)["X-Gateway-Source"] == "live")
    #expect(try server.post("setCodesVal", Self.calls[2].1)["X-Gateway-Source"] == "live", "writes are never shared")
    #expect(try lab.call(panel)["X-Gateway-Source"] == "live")
    #expect(lab.upstream.count(.set) == 2)
  }

  @Test func `different lists of values are merged into one call where the front has batch`() throws {
    let lab = try Lab.withFront(["batch": "{window: 25s, max: 4}", "timeout": "30s"])
    let server = try lab.ecoctrl()
    #expect(outcome(try server.post("getCodesHisVal", Self.calls[1].1)) == "200 200", "history is not merged")
    lab.upstream.forgetCalls()
    let connections = try [["A", "B"], ["C", "D"]].map { codes in
      let body = "{\"codes\":[\(codes.map { "\"\($0)\"" }.joined(separator: ","))]}"
      return try lab.connect().send(
        "POST \(EcoCtrlServer.path)/getCodesVal HTTP/1.1\r\nHost: h\r\nappId: \(EcoCtrlServer.appID)\r\n"
          + "Token: \(server.access)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }
    #expect(try connections[0].receive().text == Wire.points(["A", "B"]))
    #expect(try connections[1].receive().text == Wire.points(["C", "D"]))
    #expect(lab.upstream.dataCalls.count == 1)
  }

  @Test func `neither the query nor an appId nor a token is in the log or the metrics, and the subject is in the log`()
    throws
  {
    let lab = try Lab.withFront()
    let server = try lab.ecoctrl()
    let firstPair = [server.access, server.refresh]
    try server.renew()
    _ = try server.request("setCodesVal", Self.calls[2].1)
    _ = try server.post("getCodesVal", Self.values, token: JWT.caller())
    _ = try server.fetchToken("refresh", refreshToken: "spoilt-\(server.refresh)")
    _ = try server.get(
      "access_token?grant_type=refresh&grant_type=x&appId=\(server.appID)&refreshToken=\(server.refresh)")
    let metrics = try lab.ask("/metrics").text
    lab.gateway.signal(SIGTERM)
    #expect(try lab.gateway.waitForExit() == 0)
    let text = lab.gateway.log + metrics
    let secrets =
      firstPair + [server.access, server.refresh, EcoCtrlServer.appID, Secrets.appID] + lab.upstream.secrets
    for secret in secrets + ["grant_type", "refreshToken="] { #expect(!text.contains(secret), "\(secret)") }
    for part in (firstPair + [server.access, server.refresh]).flatMap({ $0.split(separator: ".") }).filter({
      $0.count > 40
    }) {
      #expect(!text.contains(part))
    }
    #expect(lab.gateway.log.contains(EcoCtrlServer.subject))
    #expect(lab.gateway.log.contains("\"path\":\"\(EcoCtrlServer.path)/access_token\""))
    #expect(metrics.contains("route=\"\(EcoCtrlServer.path)\""))
  }

  // MARK: a gateway as the client

  @Test func `a gateway's webtalk adapter uses another gateway's front as its upstream`() throws {
    let near = try Lab.withFront(["token_life": "600s"])
    let far = try Lab(environment: [
      "BASE_URL": "http://127.0.0.1:\(near.gateway.port)", "APP_ID": EcoCtrlServer.appID,
    ])
    let response = try far.call(Request.make(body: Self.values))
    #expect(response.status == 200 && response.text == Wire.points(["C_5001_AV_0001", "C_5930-5_AV_0000"]))
    let write = #"{"aryPoints":[{"pointId":"P","value":12345678901234567890}]}"#
    #expect(try far.call(Request.make("POST", Request.set, body: write)).status == 200)
    #expect(near.upstream.dataCalls.map { String(decoding: $0.body, as: UTF8.self) } == [Self.values, write])
    #expect(try far.call(Request.make(body: Self.values, fields: "prop: units\r\n")).status == 200)
    #expect(near.upstream.dataCalls.last?.all("prop") == ["units"])
    // Its application is removed and added again while it runs: refused, then authorized again.
    #expect(try far.call(Request.make("POST", Request.alarms, body: "")).status == 200)
    let shown = try #require(try far.shownToken())
    #expect(try FrontToken.claims(shown)["purpose"] as? String == "access")
  }

  @Test func `a gateway behind a front renews its token before its end and after a change of the secret`() throws {
    let near = try Lab.withFront(["token_life": "2s"])
    let far = try Lab(environment: [
      "BASE_URL": "http://127.0.0.1:\(near.gateway.port)", "APP_ID": EcoCtrlServer.appID,
    ])
    var tokens: Set<String> = []
    try eventually("three tokens without a failed call", within: 20) {
      #expect(try far.call().status == 200)
      tokens.insert(try far.shownToken() ?? "")
      return tokens.count >= 3
    }
    #expect(near.upstream.count(.authorization) == 1)
  }
}
