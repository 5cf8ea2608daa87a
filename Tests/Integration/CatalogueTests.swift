import Foundation
import TestSupport
import Testing

@Suite("The catalogue of objects over HTTP", .blocking)
struct CatalogueTests {
  @Test(arguments: Engine.allCases)
  func `an object can be created, read, listed, replaced, patched and deleted`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let empty = try catalogue.get(Request.objects)
    #expect(empty.status == 200 && empty.text.filter { !$0.isWhitespace } == "[]")
    let made = try catalogue.post(
      #"{"id":"x","code":"C_1","name":"Größe","type":"sensor","metadata":{"range":{"min":0,"max":1.10},"n":12345678901234567890}}"#
    )
    #expect(made.status == 201)
    #expect(made["Content-Type"]?.hasPrefix("application/json") == true)
    let id = try #require(made.json?["id"] as? String)
    #expect(UUID(uuidString: id) != nil, "the caller's id is ignored")
    let path = "\(Request.objects)/\(id)"
    let read = try catalogue.get(path)
    #expect(read.status == 200)
    #expect(read.json?["name"] as? String == "Größe")
    #expect(read.json?["description"] is NSNull)
    #expect(read.text.contains("12345678901234567890") && read.text.contains("1.10"), "numbers keep their value")
    #expect(try catalogue.codes() == ["C_1"])

    let put = try catalogue.send("PUT", path, #"{"code":"C_2","name":"b","type":"meter","description":"d"}"#)
    #expect(put.status == 200)
    #expect(
      try catalogue.get(path).text.contains("12345678901234567890"), "PUT keeps the metadata that it was not given")
    let patch = try catalogue.send("PATCH", path, #"{"description":null,"metadata":{"unit":"°C"}}"#)
    #expect(patch.status == 200)
    #expect(patch.json?["code"] as? String == "C_2")
    #expect(patch.json?["description"] is NSNull)
    #expect((patch.json?["metadata"] as? [String: Any])?["unit"] as? String == "°C")

    let deleted = try catalogue.send("DELETE", path, nil)
    #expect(deleted.status == 200)
    #expect(deleted.json?["success"] as? Bool == true)
    for method in ["GET", "DELETE"] { #expect(try catalogue.send(method, path, nil).status == 404) }
    let whole = #"{"code":"C_3","name":"b","type":"meter"}"#
    for method in ["PUT", "PATCH"] { #expect(try catalogue.send(method, path, whole).status == 404) }
    #expect(try catalogue.codes().isEmpty)
  }

  @Test(arguments: Engine.allCases)
  func `a second object with the same code is refused with 409`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    _ = try catalogue.create("A")
    let second = try catalogue.create("B")
    let responses = [
      try catalogue.post(#"{"code":"A","name":"x","type":"meter"}"#),
      try catalogue.send("PUT", "\(Request.objects)/\(second)", #"{"code":"A","name":"x","type":"meter"}"#),
      try catalogue.send("PATCH", "\(Request.objects)/\(second)", #"{"code":"A"}"#),
    ]
    #expect(responses.map(\.outcome) == Array(repeating: "409 conflict", count: 3))
    #expect(try catalogue.codes() == ["A", "B"])
  }

  @Test(arguments: Engine.allCases)
  func `of ten callers that create the same object at once, one succeeds`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let connections = try (0..<10).map { _ in try catalogue.lab.connect() }
    for connection in connections {
      connection.send(Request.make("POST", Request.objects, body: #"{"code":"A","name":"x","type":"meter"}"#))
    }
    let statuses = try connections.map { try $0.receive().status }
    #expect(statuses.sorted() == [201] + Array(repeating: 409, count: 9))
    #expect(try catalogue.codes() == ["A"])
  }

  @Test(arguments: Engine.allCases)
  func `an invalid object gets 422 with the field's name, and nothing is written`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    func letters(_ count: Int) -> String { String(repeating: "x", count: count) }
    let bad: [(body: String, field: String)] = [
      (#"{"name":"a","type":"meter"}"#, "code"), (#"{"code":"","name":"a","type":"meter"}"#, "code"),
      (#"{"code":7,"name":"a","type":"meter"}"#, "code"),
      (#"{"code":"A","name":["a"],"type":"meter"}"#, "name"), (#"{"code":"A","name":"a","type":{}}"#, "type"),
      (#"{"code":"A","name":"a","type":"meter","description":5}"#, "description"),
      (#"{"code":"A","name":"a","type":"meter","metadata":[]}"#, "metadata"),
      (#"{"code":"A","name":"a\u0000b","type":"meter"}"#, "name"),
      (#"{"code":"A","name":"a","type":"meter","metadata":{"x":{"y":"\u0000"}}}"#, "metadata"),
      (#"{"code":"\#(String(repeating: "é", count: 256))","name":"a","type":"meter"}"#, "code"),
      (#"{"code":"A","name":"a","type":"meter","description":"\#(letters(501))"}"#, "description"),
      (#"{"code":"A","name":"a","type":"meter","metadata":{"x":"\#(letters(262_144))"}}"#, "metadata"),
    ]
    for (body, field) in bad {
      let response = try catalogue.post(body)
      let names = response.badFields.contains { $0 == field || $0.hasPrefix(field + ".") }
      #expect(
        response.outcome == "422 invalid_field" && names, "\(body.prefix(80)): \(response.text.prefix(200))")
    }
    for body in ["", "{", "[]", "7", "{\"code\":\"\u{1}\"}"] {
      #expect([400, 422].contains(try catalogue.post(body).status), "\(body)")
    }
    #expect(try catalogue.send("POST", Request.objects, "code=A", contentType: "text/plain").status == 415)
    let large = #"{"code":"A","name":"a","type":"meter","metadata":{"x":"\#(letters(10 << 20))"}}"#
    #expect([413, 422].contains(try catalogue.post(large).status))
    #expect(try catalogue.codes().isEmpty)
    try catalogue.lab.expectHealthy()
  }

  @Test(arguments: Engine.allCases)
  func `strings that look like SQL are stored as strings`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let hostile = [
      "'; DROP TABLE objects; --", "' OR '1'='1", "$1", "\\'; SELECT 1", "%", "_", "\\", "a%b", "NULL", "?1", ":x",
      "𝒳 ' \u{202E}",
    ]
    for text in hostile {
      let quoted = text.replacingOccurrences(of: "\\", with: "\\\\")
      let id = try catalogue.create(quoted, name: quoted, more: #","metadata":{"k":"\#(quoted)"}"#)
      let json = try catalogue.get("\(Request.objects)/\(id)").json
      #expect(json?["code"] as? String == text)
      #expect((json?["metadata"] as? [String: Any])?["k"] as? String == text)
      let found = try catalogue.codes("?q=\(escaped(text))")
      #expect(found.contains(text))
      #expect(found.allSatisfy { $0.localizedCaseInsensitiveContains(text) }, "\(text) is no pattern: \(found)")
      #expect(try catalogue.codes("?type=\(escaped(text))").isEmpty)
      #expect(try catalogue.get("\(Request.objects)/\(escaped(text))").status == 404)
    }
    #expect(try catalogue.codes().count == hostile.count)
    #expect(try catalogue.get("\(Request.objects)?cursor=\(escaped("' OR 1=1"))").status < 500)
  }

  @Test(arguments: Engine.allCases)
  func `lists are in byte order, filtered, searched and paged by Link`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let codes = ["B", "a", "A", "Z", "ä", "b", "A_1", "A-1", "𝒳", "￮"]
    for (index, code) in codes.enumerated() {
      let response = try catalogue.post(
        #"{"code":"\#(code)","name":"Name \#(index)","type":"\#(index % 2 == 0 ? "meter" : "sensor")"}"#)
      #expect(response.status == 201)
    }
    let inOrder = codes.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(try catalogue.codes() == inOrder)
    #expect(Set(try catalogue.codes("?type=meter")) == ["B", "A", "ä", "A_1", "𝒳"])
    #expect(try catalogue.codes("?q=NAME%203") == ["Z"])
    #expect(Set(try catalogue.codes("?q=a_")) == ["A_1"], "an underscore must not be a wildcard")

    var (seen, path, pages): ([String], String?, Int) = ([], "\(Request.objects)?limit=3", 0)
    while let at = path, pages < 20 {
      let response = try catalogue.get(at)
      #expect(response.status == 200)
      seen += response.list.compactMap { $0["code"] as? String }
      (path, pages) = (response.next, pages + 1)
    }
    #expect(seen == inOrder)
    #expect(pages == 4)
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?limit=99999999999999999999", "?cursor=%00"] {
      #expect([400, 422].contains(try catalogue.get(Request.objects + query).status), "\(query)")
    }
  }

  @Test(arguments: Engine.allCases)
  func `404 and 405 come before 401, and writing requires another role than reading`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine) { configuration in
      configuration.routes["objects"] = ["roles": "[viewer, editor]", "write_roles": "[editor]"]
    }
    let id = UUID().uuidString.lowercased()
    for path in ["/api/objectsx", "\(Request.objects)/\(id)/more", "\(Request.objects)/"] {
      #expect(try catalogue.get(path, token: nil).status == 404, "\(path)")
    }
    for (method, path) in [
      ("DELETE", Request.objects), ("PUT", Request.objects), ("POST", "\(Request.objects)/\(id)"),
      ("GET", "\(Request.objects)/import"), ("GET", "\(Request.objects)/sync"),
    ] {
      let response = try catalogue.send(method, path, nil, token: nil)
      #expect(response.status == 405, "\(method) \(path)")
      #expect(response["Allow"] != nil)
    }
    #expect(try catalogue.get(Request.objects, token: nil).status == 401)
    #expect(try catalogue.send("POST", Request.objects, "{", token: nil).status == 401)
    let (viewer, editor) = (JWT.caller(role: "viewer"), JWT.caller(role: "editor"))
    #expect(try catalogue.get(Request.objects).status == 403)
    #expect(try catalogue.get(Request.objects, token: viewer).status == 200)
    #expect(try catalogue.get("\(Request.objects)/\(id)", token: viewer).status == 404)
    let object = #"{"code":"A","name":"a","type":"meter"}"#
    for (method, path, body) in [
      ("POST", Request.objects, object), ("PUT", "\(Request.objects)/\(id)", object),
      ("PATCH", "\(Request.objects)/\(id)", "{}"), ("DELETE", "\(Request.objects)/\(id)", nil),
      ("POST", "\(Request.objects)/import", "[]"), ("POST", "\(Request.objects)/sync?adapter=demo", nil),
    ] {
      #expect(try catalogue.send(method, path, body, token: viewer).status == 403, "\(method) \(path)")
    }
    #expect(try catalogue.send("POST", Request.objects, object, token: editor).status == 201)
  }

  @Test func `run --demo keeps its catalogue in memory`() throws {
    let gateway = try GatewayProcess("", environment: Lab.environment(nil))
    try gateway.spawn(["run", "--demo"])
    let pattern = #/ready http://127\.0\.0\.1:(\d+)/#
    let port = try firstValue("the ready line", within: 20) {
      gateway.standardOutput.firstMatch(of: pattern).flatMap { UInt16($0.1) }
    }
    let bearer = try firstValue("a printed token") {
      (gateway.log + gateway.standardOutput).firstMatch(of: /Bearer ([A-Za-z0-9_.-]+)/).map { String($0.1) }
    }
    let made = try RawConnection(port: port).send(
      Request.make("POST", Request.objects, body: #"{"code":"ZZZ","name":"a","type":"meter"}"#, token: bearer)
    ).receive()
    #expect(made.status == 201)
    let found = try RawConnection(port: port).send(
      Request.make("GET", "\(Request.objects)?q=ZZZ", body: nil, token: bearer)
    ).receive(to: "GET")
    #expect(found.list.count == 1)
    let files = try FileManager.default.contentsOfDirectory(atPath: gateway.folder.path)
    #expect(Set(files).isSubset(of: ["gateway.yaml", "stdout", "stderr"]), "\(files)")
  }

  private func escaped(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
  }
}
