import Foundation
import TestSupport
import Testing

/// Follows docs/from-ecoctrl.md, with the snippets of the page itself.
@Suite("The way from EcoCtrl", .blocking)
struct FromEcoCtrlTests {
  private static func page() throws -> String {
    try String(contentsOf: PackageRoot.url.appending(path: "docs/from-ecoctrl.md"), encoding: .utf8)
  }

  /// The blocks of one language on the page, without their indentation.
  private static func blocks(_ language: String) throws -> [String] {
    try page().matches(of: try Regex("(?ms)^ *```\(language)\n(.*?)^ *```")).map {
      String($0.output[1].substring ?? "").split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        .joined(separator: "\n")
    }
  }

  /// The template with free ports, and with SQLite instead of EcoCtrl's database.
  private static func configuration() throws -> String {
    let starter = try String(contentsOf: PackageRoot.url.appending(path: "config/ecoctrl.yaml"), encoding: .utf8)
    var text = starter.replacing("127.0.0.1:8080", with: "127.0.0.1:0").replacing("127.0.0.1:9090", with: "127.0.0.1:0")
    text = text.replacing("  type: postgres\n", with: "  type: sqlite\n")
    text = text.replacing("  url: {env: DATABASE_URL}\n  schema: pointgate\n", with: "  path: pointgate.db\n")
    return text
  }

  @Test func `step 3: EcoCtrl's server with the token of WebTalk in its table works after a change of BASE_URL only`()
    throws
  {
    let lab = try Lab(isStarted: false)
    // EcoCtrl's server talks to WebTalk first.
    let server = EcoCtrlServer(port: lab.upstream.port, appID: Secrets.appID)
    #expect(try server.request("getCodesVal", #"{"codes":["P"]}"#).status == 200)
    try lab.gateway.write(Self.configuration())
    try lab.gateway.start()
    let moved = EcoCtrlServer(port: lab.gateway.port, appID: Secrets.appID)
    (moved.access, moved.refresh) = (server.access, server.refresh)
    let response = try moved.request("getCodesVal", #"{"codes":["P"]}"#)
    #expect(response.text == Wire.points(["P"]) && response["X-Gateway-Source"] == "live")
    #expect(moved.sent == ["getCodesVal", "access_token:authorization", "getCodesVal"])
    // WebTalk's own pages are not here.
    #expect(try lab.call(Request.make("GET", "/_webtalk/_cur/loginA.php", body: nil), to: "GET").status == 404)
    // And the way back: WebTalk does not know the front's token.
    let back = EcoCtrlServer(port: lab.upstream.port, appID: Secrets.appID)
    (back.access, back.refresh) = (moved.access, moved.refresh)
    #expect(try back.request("getCodesVal", #"{"codes":["P"]}"#).status == 200)
    #expect(back.sent == ["getCodesVal", "access_token:authorization", "getCodesVal"])
  }

  @Test func `the template masks the token, and EcoCtrl's users call /api/iot with their logins`() throws {
    let lab = try Lab(isStarted: false)
    try lab.gateway.write(Self.configuration())
    try lab.gateway.start()
    #expect(try lab.call().status == 200)
    let shown = try lab.shownToken()
    #expect(shown?.count == 11 && shown?.hasSuffix("...") == true)
    lab.upstream.script(.response(#"{"code":500,"msg":"refused"}"#))
    let refused = try lab.call(Request.make("POST", Request.set, body: Request.setBody))
    #expect(refused.status == 200 && refused.json?["code"] as? Int == 500)
  }

  @Test func `step 4: the route of the page answers a refused write with a status`() throws {
    let route = try #require(try Self.blocks("yaml").first)
    let lab = try Lab(isStarted: false)
    let set = "  - {method: POST, path: /api/iot/codes/set, operation: set}"
    let text = try Self.configuration()
    #expect(text.contains(set))
    try lab.gateway.write(text.replacing(set, with: "  " + route))
    try lab.gateway.start()
    lab.upstream.script(.response(#"{"code":500,"msg":"refused"}"#))
    let refused = try lab.call(Request.make("POST", Request.set, body: Request.setBody))
    #expect(refused.status == 502 && refused.text == #"{"code":500,"msg":"refused"}"#)
  }

  @Test func `the page has the routes of Caddy in the order that lets the gateway's requests through`() throws {
    let page = try Self.page()
    let ours = try #require(page.range(of: "handle /api/iot/* {"))
    let theirs = try #require(page.range(of: "handle_path /api/* {"))
    #expect(ours.lowerBound < theirs.lowerBound)
    #expect(!page.contains("\nreverse_proxy /api/iot"))
  }

  static let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].first { FileManager.default.isExecutableFile(atPath: $0) }

  @Test(.enabled(if: nginx != nil, "nginx is not installed"))
  func `nginx with the locations of the page sends each path to the right server`() throws {
    let upstreams = try ["pointgate", "ecoctrl"].map { name in
      try ScriptedUpstream { peer in while peer.takeRequest() != nil, peer.send(Wire.message(name)) {} }
    }
    defer { for upstream in upstreams { upstream.stop() } }
    let port = try TestSocket.listening().port
    let locations = try Self.blocks("nginx").joined(separator: "\n").replacing(":8080", with: ":\(upstreams[0].port)")
      .replacing(":3000", with: ":\(upstreams[1].port)")
    let folder = FileManager.default.temporaryDirectory.appending(path: "nginx-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(folder.path)/\($0);" }
    try Data(
      """
      daemon off; worker_processes 1; pid \(folder.path)/pid; error_log \(folder.path)/log;
      events {}
      http {
        access_log off; \(temporary.joined(separator: " "))
        server { listen 127.0.0.1:\(port);
      \(locations)
        }
      }
      """.utf8
    ).write(to: folder.appending(path: "nginx.conf"))
    var command = Command(
      [Self.nginx ?? "", "-p", folder.path, "-c", folder.path + "/nginx.conf", "-e", folder.path + "/log"],
      environment: [:],
      folder: folder.path)
    command.errors = .file(folder.path + "/errors")
    let pid = try command.spawn()
    defer {
      kill(pid, SIGTERM)
      _ = Command.wait(for: pid)
    }
    try eventually("nginx", within: 10) { (try? RawConnection(port: port)) != nil }
    for (path, server) in [
      ("/api/iot/codes/values", "pointgate"), ("/api/objects", "pointgate"), ("/api/objects?limit=1", "pointgate"),
      ("/api/objects/00000000-0000-4000-8000-000000000001", "pointgate"), ("/api/lighting/groups", "ecoctrl"),
      ("/api/models", "ecoctrl"), ("/api/iots", "ecoctrl"),
    ] {
      let request = "GET \(path) HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
      #expect(try RawConnection(port: port).send(request).receive(to: "GET").text == server, "\(path)")
    }
  }
}
