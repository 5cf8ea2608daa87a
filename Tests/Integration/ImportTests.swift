import Foundation
import TestSupport
import Testing

@Suite("Import, sync and widgets over HTTP", .blocking)
struct ImportTests {
  @Test(arguments: Engine.allCases)
  func `an import of JSON creates every object`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let response = try catalogue.importing(
      #"[{"code":"A","name":"a","type":"meter"},{"code":"B","name":"b","type":"sensor","metadata":{"unit":"kW"}}]"#)
    #expect(response.status == 201)
    #expect(response.json?["count"] as? Int == 2)
    #expect((response.json?["items"] as? [Any])?.count == 2)
    #expect(try catalogue.codes() == ["A", "B"])
  }

  @Test(arguments: Engine.allCases)
  func `an import of CSV accepts BOM, CRLF, quotes, and commas and line breaks inside quotes`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let text =
      "\u{FEFF}code,name,type,description\r\nA,\"a, \"\"quoted\"\"\",meter,\"two\r\nlines\"\r\nB,b,sensor,\r\n"
    let response = try catalogue.importing(text, contentType: "text/csv; charset=utf-8")
    #expect(response.status == 201, "\(response.text)")
    #expect(response.json?["count"] as? Int == 2)
    let items = try catalogue.get(Request.objects).list
    #expect(items.first?["name"] as? String == #"a, "quoted""#)
    #expect(items.first?["description"] as? String == "two\r\nlines")
  }

  @Test(arguments: Engine.allCases)
  func `an import with bad rows gets 422 with each bad row, and writes nothing`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    _ = try catalogue.create("KEPT")
    let bodies: [(text: String, type: String, rows: Int)] = [
      (
        #"[{"code":"A","name":"a","type":"meter"},{"name":"b","type":"meter"},{"code":"C","name":7,"type":"meter"}]"#,
        "application/json", 2
      ),
      (#"[{"code":"A","name":"a","type":"meter"},{"code":"A","name":"b","type":"meter"}]"#, "application/json", 1),
      ("code,name,type\nA,a,meter\n,b,meter\nC,c,meter,extra\n", "text/csv", 2),
      ("code,name,type\nA,a,meter\nA,b,meter\n", "text/csv", 1),
    ]
    for (text, type, rows) in bodies {
      let response = try catalogue.importing(text, contentType: type)
      #expect(response.status == 422, "\(text): \(response.text)")
      #expect(Set(response.badRows).count >= rows, "\(text): \(response.text)")
      #expect(try catalogue.codes() == ["KEPT"])
    }
    for (text, type) in [
      ("nonsense,columns\n1,2\n", "text/csv"), ("code,name,type\nA,\"open\n", "text/csv"), ("", "text/csv"),
      ("{}", "application/json"), ("[7]", "application/json"),
    ] {
      let response = try catalogue.importing(text, contentType: type)
      #expect([400, 422].contains(response.status), "\(text): \(response.status) \(response.text)")
    }
    #expect(try catalogue.importing("x", contentType: "application/xml").status == 415)
    #expect(try catalogue.codes() == ["KEPT"])
  }

  @Test(arguments: Engine.allCases)
  func `an import of ten thousand rows succeeds`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    var text = "code,name,type\n"
    for number in 0..<10_000 { text += "C_\(100_000 + number),Point \(number),sensor\n" }
    let response = try catalogue.importing(text, contentType: "text/csv")
    #expect(response.status == 201)
    #expect(response.json?["count"] as? Int == 10_000)
    #expect(try catalogue.codes("?limit=2") == ["C_100000", "C_100001"])
    #expect(try catalogue.codes("?q=C_109999") == ["C_109999"])
  }

  @Test(arguments: Engine.allCases)
  func `a sync with the mock writes nothing in a dry run, then creates the objects, and keeps manual edits`(
    _ engine: Engine
  ) throws {
    let catalogue = try CatalogueLab(on: engine)
    let path = "\(Request.objects)/sync?adapter=demo"
    let dry = try catalogue.send("POST", path + "&dryRun=true", nil)
    #expect(dry.status == 200, "\(dry.text)")
    let created = try #require(dry.json?["created"] as? Int)
    #expect(created > 0)
    #expect(try catalogue.codes().isEmpty)
    let first = try catalogue.send("POST", path, nil)
    #expect(first.json?["created"] as? Int == created)
    let items = try catalogue.get("\(Request.objects)?limit=1000").list
    #expect(items.count == created)
    let again = try catalogue.send("POST", path, nil)
    #expect(again.json?["unchanged"] as? Int == created)
    #expect(again.json?["created"] as? Int == 0 && again.json?["updated"] as? Int == 0)

    let id = try #require(items.first?["id"] as? String)
    #expect(try catalogue.send("PATCH", "\(Request.objects)/\(id)", #"{"name":"by hand"}"#).status == 200)
    #expect(try catalogue.send("POST", path, nil).status == 200)
    #expect(try catalogue.get("\(Request.objects)/\(id)").json?["name"] as? String == "by hand")
    #expect(try catalogue.get("\(Request.objects)?limit=1000").list.count == created)
  }

  @Test(arguments: Engine.allCases)
  func `a sync reports objects that the upstream no longer has, and deletes none`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let path = "\(Request.objects)/sync?adapter=demo"
    #expect(try catalogue.send("POST", path, nil).status == 200)
    let all = try catalogue.codes("?limit=1000")
    var configuration = catalogue.configuration
    configuration.adapters["demo"]?.settings["points"] = "6"
    try catalogue.lab.reload(configuration.text)
    let response = try catalogue.send("POST", path, nil)
    #expect(response.status == 200)
    let missing = try #require(response.json?["missing"] as? [String])
    #expect(!missing.isEmpty && Set(missing).isSubset(of: all))
    #expect(try catalogue.codes("?limit=1000") == all)
  }

  @Test(arguments: Engine.allCases)
  func `a sync with WebTalk offers the points of alarms, and the codes that were read with good values`(
    _ engine: Engine
  ) throws {
    let catalogue = try CatalogueLab(on: engine)
    let path = "\(Request.objects)/sync?adapter=main"
    func read(_ codes: String) throws {
      let body = #"{"codes":[\#(codes)]}"#
      #expect(try catalogue.lab.call(Request.make("POST", Request.values, body: body)).status == 200)
    }
    func sync(_ query: String = "") throws -> TestMessage {
      catalogue.lab.upstream.script(
        .response(#"{"code":200,"ResultAlarmConfigArr":[{"configId":"1","pointId":"C_ALARM","name":"Supply air"}]}"#),
        .response(#"{"code":200,"ResultAlarmArr":[{"pointId":"C_READ","content":"fault"},{"alarmId":"2"}]}"#))
      return try catalogue.send("POST", path + query, nil)
    }
    for _ in 0..<3 { try read(#""C_READ","C_ALARM""#) }
    try read(#""C_2""#)
    catalogue.lab.upstream.script(
      .response(#"{"code":200,"ResultPointObjArr":[{"pointId":"C_BAD","value":null},{"pointId":"C_3","value":0}]}"#))
    try read(#""C_BAD","C_3""#)
    let dry = try sync("&dryRun=true")
    #expect(dry.status == 200 && dry.json?["created"] as? Int == 4, "\(dry.text)")
    #expect(
      (dry.json?["changes"] as? [[String: Any]])?.compactMap { $0["code"] as? String }.sorted()
        == ["C_2", "C_3", "C_ALARM", "C_READ"])
    #expect(try catalogue.codes().isEmpty)
    #expect(try sync().json?["created"] as? Int == 4)
    #expect(try catalogue.codes() == ["C_2", "C_3", "C_ALARM", "C_READ"])
    #expect(try catalogue.get("\(Request.objects)?q=Supply").list.map { $0["code"] as? String } == ["C_ALARM"])
    // After a restart the codes are known, and what alarms no longer show is neither missing nor renamed.
    catalogue.lab.gateway.kill()
    try catalogue.lab.gateway.start()
    let again = try catalogue.send("POST", path, nil)
    #expect(again.json?["unchanged"] as? Int == 4 && again.json?["created"] as? Int == 0, "\(again.text)")
    #expect((again.json?["missing"] as? [String])?.isEmpty == true)
    #expect(try catalogue.get("\(Request.objects)?q=Supply").list.count == 1)
  }

  @Test func `a sync gets 4xx for an unknown adapter`() throws {
    let catalogue = try CatalogueLab(on: .sqlite)
    #expect([400, 404, 422].contains(try catalogue.send("POST", "\(Request.objects)/sync?adapter=none", nil).status))
  }

  @Test(arguments: Engine.allCases)
  func `a widget can be created, listed, replaced and deleted, with codes that do not exist`(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    #expect(try catalogue.get(Request.widgets).text.filter { !$0.isWhitespace } == "[]")
    let widget =
      #"{"title":"Room","dataType":"iot","kind":"gauge","codes":["C_1","not there"],"layout":{"x":0,"y":1,"w":2,"h":3},"options":{"min":0.50},"sortOrder":7}"#
    let made = try catalogue.post(widget, to: Request.widgets)
    #expect(made.status == 201, "\(made.text)")
    let id = try #require(made.json?["id"] as? String)
    let path = "\(Request.widgets)/\(id)"
    let listed = try catalogue.get(Request.widgets)
    #expect(listed.status == 200)
    let only = try #require(listed.list.first)
    #expect(only["codes"] as? [String] == ["C_1", "not there"])
    #expect(only["layout"] as? [String: Int] == ["x": 0, "y": 1, "w": 2, "h": 3])
    #expect(only["sortOrder"] as? Int == 7 && only["dataType"] as? String == "iot")
    #expect(listed.text.contains("0.50"))

    let replaced = try catalogue.send("PUT", path, widget.replacingOccurrences(of: "Room", with: "Hall"))
    #expect(replaced.status == 200)
    #expect(replaced.json?["title"] as? String == "Hall")
    #expect(replaced.json?["id"] as? String == id)
    let bad: [(String, String)] = [
      (#""kind":"gauge""#, #""kind":"poem""#), (#""codes":["C_1","not there"]"#, #""codes":"C_1""#),
      (#""codes":["C_1","not there"]"#, #""codes":[7]"#), (#""w":2"#, #""w":"wide""#),
      (#""title":"Room""#, #""title":"\u0000""#),
      (#""options":{"min":0.50}"#, #""options":[]"#), (#""sortOrder":7"#, #""sortOrder":99999999999999999999"#),
    ]
    for (old, new) in bad {
      let response = try catalogue.post(widget.replacingOccurrences(of: old, with: new), to: Request.widgets)
      #expect(response.status == 422, "\(new): \(response.status) \(response.text)")
      #expect(!response.badFields.isEmpty, "\(new)")
    }
    #expect(try catalogue.send("DELETE", path, nil).status == 200)
    #expect(try catalogue.send("DELETE", path, nil).status == 404)
    #expect(try catalogue.send("PUT", path, widget).status == 404)
    #expect(try catalogue.get(Request.widgets, token: nil).status == 401)
    #expect(try catalogue.get("\(Request.widgets)/\(id)/x", token: nil).status == 404)
    let wrong = try catalogue.send("DELETE", Request.widgets, nil, token: nil)
    #expect(wrong.status == 405 && wrong["Allow"] != nil)
    #expect(try catalogue.get(Request.widgets).list.isEmpty)
  }
}
