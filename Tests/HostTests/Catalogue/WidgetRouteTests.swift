import AdapterAPI
import Testing

@testable import Host

/// The routes of `/api/dashboard/widgets`, from the request's body to the store.
@Suite
struct WidgetRouteTests {
  private let rig = CatalogueRig(.widgets)

  private func respond(_ action: ResourceAction, _ body: String = "") async throws -> (status: Int, json: JSONValue?) {
    let response = try await rig.ask(action, body)
    return (response.status, try? JSONValue(parsing: response.body))
  }

  private func titles() async throws -> [String]? {
    try await respond(.list).json?.array?.compactMap { $0["title"]?.string }
  }

  private static let plain = #"{"title":"T","kind":"value"}"#
  private static let unknownID = "00000000-0000-4000-8000-000000000000"

  @Test func `a widget can be created, read, listed, replaced and deleted`() async throws {
    let (status, widget) = try await respond(
      .create, #"{"kind":"gauge","title":"A","codes":["C_1"],"options":{"max":1.10},"id":"\#(Self.unknownID)"}"#)
    #expect(status == 201)
    let id = try #require(widget?["id"]?.string)
    #expect(id != Self.unknownID)
    #expect(
      widget.map { String(decoding: $0.serialized, as: UTF8.self) }
        == #"{"id":"\#(id)","title":"A","dataType":"iot","kind":"gauge","codes":["C_1"],"#
        + #""layout":{"x":0,"y":0,"w":1,"h":1},"options":{"max":1.10},"sortOrder":0}"#)
    #expect(try await respond(.read(id: id)) == (200, widget))
    #expect(try await respond(.read(id: id.uppercased())).json == widget)
    #expect(try await respond(.list) == (200, .array([try #require(widget)])))

    let (replacedStatus, replaced) = try await respond(.replace(id: id), #"{"title":"B","kind":"state"}"#)
    #expect(replacedStatus == 200)
    #expect(replaced?["id"]?.string == id)
    #expect(replaced?["codes"] == .array([]), "an absent member gets its default")
    #expect(try await respond(.read(id: id)).json == replaced)

    #expect(try await respond(.delete(id: id)) == (200, .object([JSONValue.Member("success", .flag(true))])))
    #expect(await rig.refusal(.read(id: id))?.status == 404)
    #expect(try await respond(.list).json == .array([]))
  }

  @Test func `the widget list is ordered by sort order, then title`() async throws {
    for (title, order) in [("c", 0), ("b", 1), ("a", 1), ("z", -1)] {
      try await rig.create(#"{"title":"\#(title)","kind":"value","sortOrder":\#(order)}"#)
    }
    #expect(try await titles() == ["z", "c", "a", "b"])
  }

  @Test(arguments: ["", "x", "import", "sync", "../x", "00000000-0000-4000-8000-00000000000", unknownID, "' OR 1=1 --"])
  func `unknown and malformed widget ids are 404`(_ id: String) async throws {
    try await rig.create(Self.plain)
    for (action, body) in [(ResourceAction.read(id: id), ""), (.replace(id: id), Self.plain), (.delete(id: id), "")] {
      let error = await rig.refusal(action, body)
      #expect(error?.status == 404)
      #expect(error?.message == "No widget has this id.")
    }
    #expect(try await respond(.list).json?.array?.count == 1)
  }

  @Test func `an invalid widget is 422 with every field, and nothing is written`() async throws {
    let body = #"{"title":"","kind":"dial","layout":{"x":0,"y":0,"w":0,"h":1}}"#
    let id = try await rig.create(Self.plain).id
    for action in [ResourceAction.create, .replace(id: id)] {
      let error = await rig.refusal(action, body)
      #expect(error?.status == 422)
      #expect(error?.code == .invalidField)
      #expect(error?.problems.map(\.field) == ["title", "kind", "layout.w"])
    }
    #expect(try await titles() == ["T"])
  }

  @Test(arguments: [
    #"{"title":"a\u0000","kind":"value"}"#, #"{"title":"\ud800","kind":"value"}"#,
    #"{"title":"T","kind":"value","codes":["a\u0000"]}"#, #"{"title":"T","kind":"value","options":{"\u0000":1}}"#,
    #"{"title":"T","kind":"value","options":{"a":["\udc00"]}}"#,
  ])
  func `text that can't be stored is 422`(_ body: String) async {
    #expect(await rig.refusal(.create, body)?.status == 422)
  }

  @Test(arguments: [
    "", "null", "[]", "7", "{", #"{"title":"T","title":"U","kind":"value"}"#,
    #"{"title":"T","kind":"value","options":{"a":1,"a":2}}"#, #"{"title":"T","kind":"value"} {}"#,
    #"{"title":"T","kind":"value","layout":{"x":0,"y":0,"w":1,"h":1,"x":2}}"#,
  ])
  func `a body that is not an unambiguous JSON object is refused`(_ body: String) async {
    let error = await rig.refusal(.create, body)
    #expect(error.map { [400, 422].contains($0.status) } == true)
  }

  @Test func `another media type is 415`() async throws {
    #expect(await rig.refusal(.create, Self.plain, type: "text/csv")?.status == 415)
    try await rig.create(Self.plain, type: nil)
  }

  @Test func `widget routes refuse query parameters`() async {
    let error = await rig.refusal(.list, query: "limit=10")
    #expect(error?.status == 400)
    #expect(error?.message.contains("limit") == true)
    #expect(await rig.refusal(.create, Self.plain, query: "x")?.status == 400)
  }

  @Test func `texts are returned as they were sent`() async throws {
    for text in ["'; DROP TABLE dashboard_widgets; --", "\\ \" \u{7f} \u{2028} 😀", "<script>", "%s $1 ?"] {
      let body = JSONValue.object([
        JSONValue.Member("title", .string(text)), JSONValue.Member("kind", .string("value")),
        JSONValue.Member("options", .object([JSONValue.Member(text, .string(text))])),
      ])
      let id = try await rig.create(String(decoding: body.serialized, as: UTF8.self)).id
      let widget = try await respond(.read(id: id)).json
      #expect(widget?["title"]?.string == text)
      #expect(widget?["options"]?[text]?.string == text)
    }
  }

  @Test func `a widget beyond the limit is a conflict`() async throws {
    for _ in 0..<Store.maximumWidgets { try await rig.create(Self.plain) }
    let error = await rig.refusal(.create, Self.plain)
    #expect(error?.status == 409)
    #expect(error?.code == .conflict)
    let first = try #require(try await respond(.list).json?.array?.first?["id"]?.string)
    _ = try await respond(.delete(id: first))
    try await rig.create(Self.plain)
  }

  @Test func `a closed store gives 503 for widgets`() async throws {
    await rig.catalogue.store.close()
    for action in [ResourceAction.list, .create, .read(id: Self.unknownID), .delete(id: Self.unknownID)] {
      let error = await rig.refusal(action, Self.plain)
      #expect(error?.status == 503)
      #expect(error?.retryAfter != nil)
    }
  }
}
