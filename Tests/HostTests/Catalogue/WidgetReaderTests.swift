import AdapterAPI
import Testing

@testable import Host

@Suite
struct WidgetReaderTests {
  static let id = "00000000-0000-4000-8000-000000000001"

  private func read(_ json: String) throws -> (widget: DashboardWidget?, problems: [FieldProblem]) {
    guard case .object(let members) = try JSONValue(parsing: Array(json.utf8)) else {
      throw JSONShape.Problem(.notAnObject, at: 0)
    }
    var reader = WidgetReader()
    let widget = reader.widget(members, id: Self.id)
    return (widget, reader.problems.listed)
  }

  /// Reads a valid widget with additional members.
  private func readRight(with members: String) throws -> (widget: DashboardWidget?, problems: [FieldProblem]) {
    try read(#"{"title":"T","kind":"value",\#(members)}"#)
  }

  @Test func `a widget needs only title and kind`() throws {
    let (widget, problems) = try read(#"{"title":"Supply air","kind":"gauge"}"#)
    #expect(problems.isEmpty)
    #expect(
      widget
        == DashboardWidget(
          id: Self.id, title: "Supply air", dataType: "iot", kind: "gauge", codes: [],
          layout: DashboardWidget.Layout(x: 0, y: 0, w: 1, h: 1), options: "{}", sortOrder: 0))
  }

  @Test(arguments: ["2", "2.0", "2e0", "2.00e+0", "0.2e1", "20E-1"])
  func `a whole number is one however it is written`(_ number: String) throws {
    let (widget, problems) = try readRight(
      with: #""sortOrder":\#(number),"layout":{"x":\#(number),"y":\#(number),"w":\#(number),"h":\#(number)}"#)
    #expect(problems.isEmpty)
    #expect(widget?.sortOrder == 2 && widget?.layout == DashboardWidget.Layout(x: 2, y: 2, w: 2, h: 2))
  }

  @Test func `every member except the id is read, and numbers keep their text`() throws {
    let (widget, problems) = try read(
      #"""
      {"id":"mine","title":"Ö \"1\"","dataType":"iot_2-x","kind":"trend","codes":["C_1","Ä"],
       "layout":{"h":4,"w":3,"y":2,"x":10000},"options":{"max":1.10,"big":12345678901234567890, "e":1e400},"sortOrder":-7}
      """#)
    #expect(problems.isEmpty)
    #expect(
      widget
        == DashboardWidget(
          id: Self.id, title: "Ö \"1\"", dataType: "iot_2-x", kind: "trend", codes: ["C_1", "Ä"],
          layout: DashboardWidget.Layout(x: 10000, y: 2, w: 3, h: 4),
          options: #"{"max":1.10,"big":12345678901234567890,"e":1e400}"#, sortOrder: -7))
  }

  @Test func `null members get their defaults`() throws {
    let members = #""dataType":null,"codes":null,"layout":null,"options":null,"sortOrder":null,"id":null"#
    #expect(try readRight(with: members).widget == readRight(with: #""sortOrder":0"#).widget)
    #expect(try read(#"{"title":null,"kind":null}"#).problems.map(\.field) == ["title", "kind"])
  }

  @Test(arguments: [
    (#""title":7"#, "title"), (#""title":"""#, "title"), (#""title":["x"]"#, "title"),
    (#""kind":"Gauge""#, "kind"), (#""kind":1"#, "kind"), (#""kind":"""#, "kind"),
    (#""dataType":"""#, "dataType"), (#""dataType":"IoT""#, "dataType"), (#""dataType":"a b""#, "dataType"),
    (#""dataType":"abcdefghijklmnopqrstu""#, "dataType"), (#""dataType":"ö""#, "dataType"),
    (#""dataType":0"#, "dataType"),
    (#""codes":"C_1""#, "codes"), (#""codes":{}"#, "codes"), (#""codes":["a",1]"#, "codes[1]"),
    (#""codes":[""]"#, "codes[0]"), (#""codes":[null]"#, "codes[0]"), (#""codes":["a\nb"]"#, "codes[0]"),
    (#""layout":[0,0,1,1]"#, "layout"), (#""layout":{"x":0,"y":0,"w":1}"#, "layout.h"),
    (#""layout":{"x":-1,"y":0,"w":1,"h":1}"#, "layout.x"), (#""layout":{"x":0,"y":10001,"w":1,"h":1}"#, "layout.y"),
    (#""layout":{"x":0,"y":0,"w":0,"h":1}"#, "layout.w"), (#""layout":{"x":0,"y":0,"w":1,"h":1.5}"#, "layout.h"),
    (#""layout":{"x":0,"y":0,"w":1,"h":"1"}"#, "layout.h"), (#""layout":{"x":0,"y":0,"w":1,"h":null}"#, "layout.h"),
    (#""layout":{"x":99999999999999999999,"y":0,"w":1,"h":1}"#, "layout.x"),
    (#""layout":{"x":0,"y":0,"w":1,"h":1,"z":1}"#, "layout.z"),
    (#""options":[]"#, "options"), (#""options":"{}""#, "options"),
    (#""sortOrder":2147483648"#, "sortOrder"), (#""sortOrder":-2147483649"#, "sortOrder"),
    (#""sortOrder":2.5"#, "sortOrder"), (#""sortOrder":2e-1"#, "sortOrder"),
    (#""sortOrder":1e99999999999"#, "sortOrder"),
    (#""sortOrder":"1""#, "sortOrder"), (#""sortOrder":true"#, "sortOrder"),
    (#""colour":"red""#, "colour"), (#""Title":"x""#, "Title"),
  ])
  func `an invalid member is refused and named`(_ member: String, _ field: String) throws {
    let key = member.prefix { $0 != ":" }
    let required = [#""title":"T""#, #""kind":"value""#].filter { !$0.hasPrefix(key) }
    let (widget, problems) = try read("{\((required + [member]).joined(separator: ","))}")
    #expect(widget == nil)
    #expect(problems.map(\.field) == [field])
    #expect(problems.first?.row == nil)
  }

  @Test func `all problems are reported together`() throws {
    let (widget, problems) = try read(
      #"{"kind":"guage","codes":[1,"",2],"layout":{"x":"a","w":0},"options":null,"sortOrder":0.5,"sortOrdr":1}"#)
    #expect(widget == nil)
    #expect(
      Set(problems.map(\.field)) == [
        "title", "kind", "codes[0]", "codes[1]", "codes[2]", "layout.x", "layout.y", "layout.w", "layout.h",
        "sortOrder", "sortOrdr",
      ])
    #expect(problems.first { $0.field == "kind" }?.message.hasSuffix("; did you mean 'gauge'?") == true)
    #expect(problems.first { $0.field == "sortOrdr" }?.message.hasSuffix("; did you mean 'sortOrder'?") == true)
  }

  @Test func `length limits are exact`() throws {
    let title = String(repeating: "ö", count: 255)
    #expect(try read(#"{"title":"\#(title)","kind":"value"}"#).widget?.title == title)
    #expect(try read(#"{"title":"\#(title)x","kind":"value"}"#).problems.map(\.field) == ["title"])
    // One visible character of two Unicode scalars.
    #expect(try read(#"{"title":"\#(title.dropLast())e\#u{301}","kind":"value"}"#).problems.map(\.field) == ["title"])

    let codes = Array(repeating: "\"C\"", count: 200).joined(separator: ",")
    #expect(try readRight(with: #""codes":[\#(codes)]"#).widget?.codes.count == 200)
    #expect(try readRight(with: #""codes":[\#(codes),"C"]"#).problems.map(\.field) == ["codes"])
    #expect(try readRight(with: #""codes":["\#(title)"]"#).problems.isEmpty)
    #expect(try readRight(with: #""codes":["\#(title)x"]"#).problems.map(\.field) == ["codes[0]"])

    // {"a":"…"} of exactly 64 KiB, not counting spaces.
    let text = String(repeating: "x", count: 65536 - 8)
    #expect(try readRight(with: #""options":  { "a" : "\#(text)" }"#).widget?.options.utf8.count == 65536)
    #expect(try readRight(with: #""options":{"a":"\#(text)x"}"#).problems.map(\.field) == ["options"])
  }

  @Test func `an unknown member's name is shortened and escaped`() throws {
    let problems = try readRight(with: #""\u001b[31m\#(String(repeating: "x", count: 5000))":1"#).problems
    #expect(problems.count == 1)
    #expect(problems.allSatisfy { $0.field.utf8.count < 64 && !$0.field.utf8.contains(27) })
  }
}
