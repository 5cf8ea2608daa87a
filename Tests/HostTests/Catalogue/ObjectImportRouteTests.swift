import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct ObjectImportRouteTests {
  private let rig = CatalogueRig()

  private func csv(_ text: String) async throws -> [StoredObject] {
    let response = try await rig.ask(.importAll, text, type: "text/csv; charset=\"UTF-8\"")
    let value = try JSONValue(parsing: response.body)
    let items = value["items"]?.array ?? []
    #expect(response.status == 201 && value["count"]?.double == Double(items.count))
    return items.map(StoredObject.init)
  }

  @Test func `an array is imported in order`() async throws {
    let response = try await rig.ask(
      .importAll, #" [ {"code":"b","metadata":{"n":1.10}} , {"code":"a","status":"on"} ] "#)
    let items = (try JSONValue(parsing: response.body)["items"]?.array ?? []).map(StoredObject.init)
    #expect(response.status == 201 && items.map { $0["code"] } == ["b", "a"])
    #expect(items.map(\.metadata) == [#"{"n":1.10}"#, "{}"] && items[1]["status"] == "on")
    #expect(try await rig.list().map(\.value) == items.reversed().map(\.value))
    #expect(try await rig.ask(.importAll, "[]").body == Array("{\"count\":0,\"items\":[]}\n".utf8))
  }

  @Test func `CSV is imported with quotes, byte order mark and line breaks`() async throws {
    let items = try await csv(
      "\u{feff}id,code,name,metadata,metadata.unit,description\r\n"
        + "x,A-1,\"Pump \"\"1\"\"\",\"{\"\"range\"\":{\"\"min\"\":1.0}}\",°C,\"two\r\nlines\"\r\n"
        + ",A-2,,,,\r\n\r\n")
    #expect(items.map { $0["name"] } == ["Pump \"1\"", "A-2"])
    #expect(items.map(\.metadata) == [#"{"range":{"min":1.0},"unit":"°C"}"#, "{}"])
    #expect(items[0]["description"] == "two\r\nlines" && items[1].value["description"] == .null)
    #expect(items[0].id != "x")
  }

  /// Files as spreadsheets write them, with the codes that are imported.
  private static let spreadsheets: [(String, [String])] = [
    ("code,name\nA,a\n,\n,\n", ["A"]), ("code,name\nA,a\n , \nB,b\n", ["A", "B"]), ("code\na\n\nb", ["a", "b"]),
    ("code,name\nA,a\n,,,\n\u{a0},\t\nB,b", ["A", "B"]), (",,\ncode,name,\nA,a,\n", ["A"]),
    ("code,name,,\nA,a,,\nB,b,,,,\n", ["A", "B"]), ("code,,name\nA,,a\n", ["A"]), ("code\rA\rB\r", ["A", "B"]),
    ("sep=;\r\ncode;name\r\nA;\"a;b\"\r\n", ["A"]), ("SEP=\t\ncode\tname\nA\ta,b\n", ["A"]),
    ("\u{feff}\"sep=;\"\r\n\"code\";\"name\"\r\nA,1;a\r\n", ["A,1"]), ("sep=,,\ncode,name\nA,a\n", ["A"]),
    ("sep=|\ncode|name\nA|a", ["A"]), ("code,name\n=1+1,@x\n-1,+2", ["-1", "=1+1"]),
    ("code,modelId,status\nA,m,on\n", ["A"]), ("code,name\n\"\",\"\"\nA,\"say \"\"hi\"\"\"\n", ["A"]),
  ]

  @Test(arguments: spreadsheets)
  func `what a spreadsheet writes is imported, without its blank rows and columns`(
    text: String, codes: [String]
  ) async throws {
    #expect(try await csv(text).map { $0["code"] }.sorted() == codes)
  }

  @Test func `EcoCtrl's columns and a cell with separators are imported`() async throws {
    let items = try await csv("sep=;\ncode;name;modelId;status;metadata.unit\nA;\"a;b\";m;on;°C\n")
    #expect(
      items.map { [$0["name"], $0["modelId"], $0["status"], $0.metadata] } == [["a;b", "m", "on", #"{"unit":"°C"}"#]])
  }

  @Test func `the row of a taken code is the spreadsheet's`() async throws {
    try await rig.create(#"{"code":"taken"}"#)
    let error = await rig.refusal(.importAll, "code,name\n,\nnew,\"two\nlines\"\ntaken,x\n", type: "text/csv")
    #expect(error?.status == 422 && error?.places == ["4.code"])
  }

  @Test func `a separator other than the comma, and UTF-16, are refused with the remedy`() async {
    for (text, remedy) in [("code;name\na;b", "sep=;"), ("code\tname\na\tb", "sep=;"), ("sep=:\ncode:name", "'|'")] {
      let error = await rig.refusal(.importAll, text, type: "text/csv")
      #expect(error?.problems.first?.message.contains(remedy) == true, "\(text)")
    }
    let error = await #expect(throws: GatewayError.self) {
      try await rig.ask(.importAll, [0xff, 0xfe, 0x63, 0, 0x6f, 0], type: "text/csv")
    }
    #expect(error?.status == 422 && error?.problems.first?.message.contains("UTF-8") == true)
  }

  @Test func `every invalid row is reported, and nothing is written`() async throws {
    try await rig.create(#"{"code":"taken"}"#)
    let error = await rig.refusal(
      .importAll,
      #"[{"code":"a"},{"name":"b"},7,{"code":"a"},{"code":"c","metadata":{"k":1,"k":2}},{"code":"d","name":1,"type":2},{"code":"\u0000"}]"#
    )
    #expect(error?.status == 422)
    #expect(error?.places == ["2.code", "3.", "4.code", "5.", "6.name", "6.type", "7.code"])
    #expect(error?.problems[2].message.contains("row 1") == true)
    let taken = await rig.refusal(.importAll, #"[{"code":"x"},{"code":"taken"}]"#)
    #expect(taken?.status == 422 && taken?.places == ["2.code"])
    #expect(try await rig.list().map { $0["code"] } == ["taken"])
  }

  private static let badCSV: [(String, [String])] = [
    ("", [""]), ("\n\n", [""]), ("name\nx", ["code"]), ("code,code\na,b", ["code"]), ("code,Name\na,b", ["Name"]),
    ("code;name\na;b", ["code;name"]), ("code\tname\na\tb", ["code?name"]), ("code,metadata.\na,b", ["metadata."]),
    ("code,name\na\nb,c,d\n", ["2.", "3."]), ("code,name\n,n", ["2.code"]),
    ("code,name\na\"b,n\n\"c\"d,n\ne,\"n", ["2.code", "3.code", "4.name"]),
    ("code,metadata\na,[]\nb,\"{\"\"a\"\":1,\"\"a\"\":2}\"\nc,{}x", ["2.metadata", "3.metadata", "4.metadata"]),
    ("code,metadata,metadata.u\na,\"{\"\"u\"\":1}\",1", ["2.u"]), ("code\na\nb\na", ["4.code"]),
    ("code,name\na,\u{0}", ["2.name"]), ("code,metadata\na,\"{\"\"u\"\":\"\"\\ud800\"\"}\"", ["2.metadata"]),
    // A cell needs a column with a name.
    ("code,\na,b", ["2."]), ("code,,name\na,,n\nb,x,n", ["3."]), ("code,name\na,n,,x", ["2."]),
    // Blank rows and line breaks within cells, as a spreadsheet counts them.
    ("code,name\n,\n\n\"\",\" \"\n,n\n", ["5.code"]), ("\n,,\ncode,name\n,n", ["4.code"]),
    ("code,name\r\nA,\"two\r\nlines\"\r\nA,x\r\n", ["3.code"]), ("code\rA\r\rA\r", ["4.code"]),
    ("sep=;\r\ncode;name\r\n;n\r\n", ["2.code"]), ("sep=:\ncode:name", [""]),
    ("\u{feff}sep=;\ncode,name\na,b", ["code,name"]),
  ]

  @Test func `invalid CSV is refused with its rows and columns`() async throws {
    for (text, places) in Self.badCSV {
      let error = await rig.refusal(.importAll, text, type: "text/csv")
      #expect(error?.status == 422 && error?.places == places, "\(text.debugDescription)")
    }
    #expect(try await rig.list().isEmpty)
  }

  @Test(arguments: ["", "{}", "null", "[", #"[{"code":"a"}"#, #"[{"code":"a"},]"#, "[] []", "\u{feff}[]"])
  func `a body that is not an array is refused`(body: String) async {
    #expect(await rig.refusal(.importAll, body)?.code == .badJSON, "\(body)")
  }

  @Test func `an import reads a hundred thousand objects and lists at most a thousand problems`() throws {
    var json = "["
    var csv = "code,name,metadata.unit\n"
    for row in 0..<100_000 {
      json += (row == 0 ? "" : ",") + #"{"code":"C_\#(row)","name":"Point \#(row)","metadata":{"unit":"C","n":1.50}}"#
      csv += "C_\(row),Point \(row),C\n"
    }
    let good = try ObjectImport(Array((json + "]").utf8), isCSV: false).objects
    #expect(good.count == 100_000 && good.last?.metadata == #"{"unit":"C","n":1.50}"#)
    #expect(try ObjectImport(Array(csv.utf8), isCSV: true).objects.last?.metadata == #"{"unit":"C"}"#)
    let error = refusal("[\([String](repeating: "1", count: 200_000).joined(separator: ","))]")
    #expect(error?.problems.count == 1000 && error?.message.contains("200000") == true)
  }

  @Test func `an import over the limit is refused before it uses memory`() {
    let body = "[" + String(repeating: "{},", count: ObjectImport.maximum + 5) + "{}]"
    let error = refusal(body)
    #expect(error?.status == 422 && error?.message.contains("\(ObjectImport.maximum + 1)") == true)
  }

  private func refusal(_ body: String, isCSV: Bool = false) -> GatewayError? {
    #expect(throws: GatewayError.self) { try ObjectImport(Array(body.utf8), isCSV: isCSV) }
  }

  @Test func `a CSV whose header multiplies the metadata is refused`() {
    let key = String(repeating: "k", count: 200)
    var csv = "code" + (0..<999).map { ",metadata.\(key)\($0)" }.joined()
    for row in 0..<400 { csv += "\n\(row)" + String(repeating: ",x", count: 999) }
    let error = refusal(csv, isCSV: true)
    #expect(csv.utf8.count < 2 << 20)
    #expect(error?.status == 422 && error?.problems.count == 1)
    #expect(error?.problems.first?.message.contains("in several parts") == true)
    #expect((300...400).contains(error?.problems.first?.row ?? 0))
  }

  @Test func `an object over the size limit is reported with its longest member`() {
    let many = (0..<200_000).map { #""\#($0)":1"# }.joined(separator: ",")
    for object in [
      #"{"code":"b","metadata":{\#(many)}}"#, #"{"code":"b","metadata":{\#(many),\#(many)}}"#,
      #"{"metadata":"\#(String(repeating: "x", count: 2 << 20))","code":1,"code":2}"#,
    ] {
      let error = refusal(#"[{"code":"a"},\#(object),{}]"#)
      #expect(error?.places == ["2.metadata", "3.code"])
      #expect(error?.problems.first?.message.contains("too large") == true)
    }
  }

  @Test func `no text is stored longer than it was sent`() throws {
    let body = #"[{"code":"a","metadata":{"x":"\#(String(repeating: #"\b\f\n\r\t\"\\"#, count: 9))"}}]"#
    let stored = try ObjectImport(Array(body.utf8), isCSV: false).objects.first?.metadata ?? ""
    #expect(body.contains(stored))
  }
}
