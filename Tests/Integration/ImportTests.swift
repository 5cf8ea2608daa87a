import Foundation
import TestSupport
import Testing

@Suite("Import, sync and widgets over HTTP", .blocking)
struct ImportTests {
  @Test("import of JSON: all of them, and existing codes follow the rows", arguments: Engine.allCases)
  func json(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let answer = try catalogue.importing(
      #"[{"code":"A","name":"a","type":"meter"},{"code":"B","name":"b","type":"sensor","metadata":{"unit":"kW"}}]"#)
    #expect(answer.status == 201)
    #expect(answer.json?["count"] as? Int == 2)
    #expect((answer.json?["items"] as? [Any])?.count == 2)
    #expect(try catalogue.codes() == ["A", "B"])
  }

  @Test("import of CSV: BOM, CRLF, quotes, commas and line breaks inside quotes", arguments: Engine.allCases)
  func csv(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let text =
      "\u{FEFF}code,name,type,description\r\nA,\"a, \"\"quoted\"\"\",meter,\"two\r\nlines\"\r\nB,b,sensor,\r\n"
    let answer = try catalogue.importing(text, contentType: "text/csv; charset=utf-8")
    #expect(answer.status == 201, "\(answer.text)")
    #expect(answer.json?["count"] as? Int == 2)
    let items = try catalogue.get(Request.objects).list
    #expect(items.first?["name"] as? String == #"a, "quoted""#)
    #expect(items.first?["description"] as? String == "two\r\nlines")
  }

  @Test("one bad row: 422 with every bad one, and nothing is written", arguments: Engine.allCases)
  func allOrNothing(_ engine: Engine) throws {
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
      let answer = try catalogue.importing(text, contentType: type)
      #expect(answer.status == 422, "\(text): \(answer.text)")
      #expect(Set(answer.badRows).count >= rows, "\(text): \(answer.text)")
      #expect(try catalogue.codes() == ["KEPT"])
    }
    for (text, type) in [
      ("nonsense,columns\n1,2\n", "text/csv"), ("code,name,type\nA,\"open\n", "text/csv"), ("", "text/csv"),
      ("{}", "application/json"), ("[7]", "application/json"),
    ] {
      let answer = try catalogue.importing(text, contentType: type)
      #expect([400, 422].contains(answer.status), "\(text): \(answer.status) \(answer.text)")
    }
    #expect(try catalogue.importing("x", contentType: "application/xml").status == 415)
    #expect(try catalogue.codes() == ["KEPT"])
  }

  @Test("ten thousand rows are imported in one go", arguments: Engine.allCases)
  func many(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    var text = "code,name,type\n"
    for number in 0..<10_000 { text += "C_\(100_000 + number),Point \(number),sensor\n" }
    let answer = try catalogue.importing(text, contentType: "text/csv")
    #expect(answer.status == 201)
    #expect(answer.json?["count"] as? Int == 10_000)
    #expect(try catalogue.codes("?limit=2") == ["C_100000", "C_100001"])
    #expect(try catalogue.codes("?q=C_109999") == ["C_109999"])
  }

  @Test(
    "sync with the mock: a dry run shows and writes nothing, then it upserts, and keeps what was edited by hand",
    arguments: Engine.allCases)
  func sync(_ engine: Engine) throws {
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

  @Test("sync reports what the upstream no longer has, and deletes nothing", arguments: Engine.allCases)
  func missing(_ engine: Engine) throws {
    let catalogue = try CatalogueLab(on: engine)
    let path = "\(Request.objects)/sync?adapter=demo"
    #expect(try catalogue.send("POST", path, nil).status == 200)
    let all = try catalogue.codes("?limit=1000")
    var configuration = GatewayConfiguration()
    configuration.hasCatalogue = true
    if engine == .postgres { configuration.usePostgres() }
    configuration.adapters["demo"]?.settings["points"] = "6"
    try catalogue.lab.reload(configuration.text)
    let answer = try catalogue.send("POST", path, nil)
    #expect(answer.status == 200)
    let missing = try #require(answer.json?["missing"] as? [String])
    #expect(!missing.isEmpty && Set(missing).isSubset(of: all))
    #expect(try catalogue.codes("?limit=1000") == all)
  }

  @Test("an upstream that cannot list says so with 501, and names import; an unknown adapter is the caller's mistake")
  func noListing() throws {
    let catalogue = try CatalogueLab(on: .sqlite)
    let answer = try catalogue.send("POST", "\(Request.objects)/sync?adapter=main", nil)
    #expect(answer.status == 501)
    #expect(answer.errorCode == "unsupported_operation")
    #expect(answer.text.contains("import"))
    #expect(catalogue.lab.upstream.dataCalls.isEmpty)
    #expect([400, 404, 422].contains(try catalogue.send("POST", "\(Request.objects)/sync?adapter=none", nil).status))
  }

  @Test("a widget lives: made, listed, replaced, deleted; bound codes need not exist", arguments: Engine.allCases)
  func widgets(_ engine: Engine) throws {
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
      let answer = try catalogue.post(widget.replacingOccurrences(of: old, with: new), to: Request.widgets)
      #expect(answer.status == 422, "\(new): \(answer.status) \(answer.text)")
      #expect(!answer.badFields.isEmpty, "\(new)")
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
