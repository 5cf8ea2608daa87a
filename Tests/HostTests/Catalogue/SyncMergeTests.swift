import AdapterAPI
import Testing

@testable import Host

@Suite struct SyncMergeTests {
  private let rig = CatalogueRig()

  private func point(
    _ code: String, _ name: String, _ metadata: String = "{}", type: String = "sensor", description: String? = nil
  ) throws -> ListedObject {
    guard case .object(let members) = try JSONValue(parsing: Array(metadata.utf8)) else { throw GatewayError.notFound }
    return ListedObject(code: code, name: name, type: type, description: description, metadata: members)
  }

  @discardableResult
  private func sync(_ listed: ListedObject..., adapter: String = "main", dryRun: Bool = false) async throws -> String {
    let response = try await rig.catalogue.sync(adapter: adapter, listed: listed, dryRun: dryRun)
    return String(decoding: response.body.dropLast(), as: UTF8.self)
  }

  private func refusal(_ listed: [ListedObject]) async -> GatewayError? {
    await #expect(throws: GatewayError.self) {
      try await rig.catalogue.sync(adapter: "main", listed: listed, dryRun: false)
    }
  }

  private func counts(_ created: Int, _ updated: Int, _ unchanged: Int, _ missing: String = "[]") -> String {
    #"{"created":\#(created),"updated":\#(updated),"unchanged":\#(unchanged),"missing":\#(missing)}"#
  }

  private func stored(_ code: String) async throws -> StoredObject {
    try #require(try await rig.list().first { $0["code"] == code })
  }

  @Test func `objects listed, edited by hand, changed upstream and removed are merged`() async throws {
    #expect(
      try await sync(try point("A", "Fan", #"{"unit":"C","max":1.50}"#), try point("B", "Pump")) == counts(2, 0, 0))
    #expect(
      try await sync(try point("A", "Fan", #"{"unit":"C","max":1.50}"#), try point("B", "Pump")) == counts(0, 0, 2))
    let id = try await stored("A").id
    _ = try await rig.ask(
      .patch(id: id), #"{"name":"Roof fan","metadata":{"max":2,"room":"7","unit":null}}"#)

    // Upstream renames the object, and changes edited and unedited values.
    #expect(
      try await sync(
        try point("A", "Fan 1", #"{"unit":"K","max":9,"min":0}"#, type: "meter", description: "d"),
        try point("B", "Pump")
      ) == counts(0, 1, 1))
    var fan = try await stored("A")
    #expect(fan["name"] == "Roof fan" && fan["type"] == "meter" && fan["description"] == "d" && fan.id == id)
    #expect(fan.metadata == #"{"max":2,"room":"7","min":0}"#)

    // The edit is undone: the value equals the last sync's, and follows upstream again.
    _ = try await rig.ask(.patch(id: id), #"{"name":"Fan"}"#)
    try await sync(
      try point("A", "Fan 2", #"{"unit":"K","max":9}"#, type: "meter", description: nil), try point("B", "Pump"))
    fan = try await stored("A")
    #expect(fan["name"] == "Fan 2" && fan.value["description"] == .null)
    #expect(fan.metadata == #"{"max":2,"room":"7"}"#, "unedited keys that upstream removed are removed")

    // Edited to the same value as upstream's: it follows upstream from then on.
    _ = try await rig.ask(.patch(id: id), #"{"name":"Fan 3"}"#)
    #expect(try await sync(try point("A", "Fan 3", type: "meter")) == counts(0, 0, 1, #"["B"]"#))
    try await sync(try point("A", "Fan 4", type: "meter"))
    #expect(try await stored("A")["name"] == "Fan 4")
    #expect(try await rig.list().count == 2, "nothing is deleted")
  }

  @Test func `rows written by hand keep their values and get missing metadata keys`() async throws {
    try await rig.create(#"{"code":"A","name":"Mine","metadata":{"unit":"F"}}"#)
    #expect(try await sync(try point("A", "Theirs", #"{"unit":"C","min":1}"#, description: "d")) == counts(0, 1, 0))
    let object = try await stored("A")
    #expect(object["name"] == "Mine" && object["type"].isEmpty && object.value["description"] == .null)
    #expect(object.metadata == #"{"unit":"F","min":1}"#)
    #expect(try await sync(try point("A", "Theirs 2", #"{"unit":"K","min":2}"#)) == counts(0, 1, 0))
    #expect(try await stored("A").metadata == #"{"unit":"F","min":2}"#)
    #expect(try await sync() == counts(0, 0, 0, #"["A"]"#), "it was listed once")
  }

  @Test func `a dry run reports the changes and writes nothing`() async throws {
    try await sync(try point("B", "b", #"{"u":1}"#), try point("gone", "g"))
    let before = try await rig.ask(.list).body
    #expect(
      try await sync(try point("A", "a", #"{"k":1}"#), try point("B", "b2", #"{"u":2}"#), dryRun: true)
        == #"{"created":1,"updated":1,"unchanged":0,"missing":["gone"],"dryRun":true,"changes":["#
        + #"{"code":"A","action":"create","fields":["name","type","metadata.k"]},"#
        + #"{"code":"B","action":"update","fields":["name","metadata.u"]}]}"#)
    #expect(try await rig.ask(.list).body == before)
  }

  @Test func `missing codes are ordered by bytes and listed per adapter`() async throws {
    try await sync(try point("b", "1"), try point("ä", "1"), try point("B", "1"))
    try await sync(try point("other", "1"), adapter: "annex")
    #expect(try await sync() == counts(0, 0, 0, #"["B","b","ä"]"#))
    #expect(try await sync(try point("b", "1"), adapter: "annex") == counts(0, 0, 1, #"["other"]"#))
    #expect(try await sync() == counts(0, 0, 0, #"["B","ä"]"#), "the other adapter took it over")
  }

  @Test func `a list with an object that can't be stored is refused`() async throws {
    let long = String(repeating: "x", count: 300)
    let lists: [[ListedObject]] = [
      [try point("A", "a"), try point("A", "b")], [try point("A", "a"), try point("", "b")],
      [try point("A", "a"), try point(long, "b")], [try point("A", long)], [try point("A", "a\u{0}")],
      [try point("A", "a", #"{"k":"\u0000"}"#)], [try point("A", "a", #"{"k":1,"k":1}"#)],
      [try point("A", "a", #"{"k":"\#(String(repeating: "x", count: 262_144))"}"#)],
    ]
    for (index, listed) in lists.enumerated() {
      let error = await refusal(listed)
      #expect(error?.status == 502 && error?.code == .upstreamMalformed, "list \(index)")
    }
    #expect(try await rig.list().isEmpty)
  }

  @Test func `a sync is refused when the merged metadata would be too large`() async throws {
    try await rig.create(#"{"code":"A","metadata":{"mine":"\#(String(repeating: "x", count: 200_000))"}}"#)
    let big = try point("A", "a", #"{"k":"\#(String(repeating: "y", count: 100_000))"}"#, type: "")
    let error = await refusal([try point("B", "b", type: ""), big])
    #expect(error?.status == 422 && error?.places == ["metadata"])
    #expect(try await rig.list().map { $0["code"] } == ["A"])
  }
}
