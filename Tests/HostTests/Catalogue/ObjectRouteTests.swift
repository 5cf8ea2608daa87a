import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct ObjectRouteTests {
  private let rig = CatalogueRig()

  @Test func `a list has pages in the order of the codes' bytes`() async throws {
    for code in ["b", "a", "Z", "ä", "c"] { try await rig.create(#"{"code":"\#(code)","type":"t"}"#) }
    var codes: [String] = []
    var query: String? = "limit=2&type=t"
    while let asked = query {
      let response = try await rig.ask(.list, query: asked)
      let page = try JSONValue(parsing: response.body).array ?? []
      #expect(page.count <= 2)
      codes += page.compactMap { $0["code"]?.string }
      let link = response.fields["link"]
      query = link.flatMap { $0.split(separator: "?").last?.split(separator: ">").first }.map(String.init)
      if let link { #expect(link.hasPrefix("</api/objects?type=t&limit=2&cursor=")) }
    }
    #expect(codes == ["Z", "a", "b", "c", "ä"])
    #expect(try await rig.list("q=A").map { $0["code"] } == ["a"])
    #expect(try await rig.ask(.list, query: "type=none").body == Array("[]\n".utf8))
  }

  @Test func `unknown and malformed ids are 404 for every method`() async throws {
    for id in ["", "7", "import2", newUUID(), newUUID() + "0", "%00", "../x", "zzzzzzzz-0000-4000-8000-000000000000"] {
      for action in [ResourceAction.read(id: id), .delete(id: id)] {
        #expect(await rig.refusal(action)?.status == 404, "\(action)")
      }
      #expect(await rig.refusal(.replace(id: id), #"{"code":"A"}"#)?.status == 404)
      #expect(await rig.refusal(.patch(id: id), #"{"code":"A"}"#)?.status == 404)
    }
    #expect(try await rig.list().isEmpty, "PUT never creates")
  }

  @Test func `PUT replaces the whole object, and absent members get their defaults`() async throws {
    let old = try await rig.create(
      #"{"code":"A","name":"n","type":"t","description":"d","modelId":"m","metadata":{"a":1}}"#)
    let new = StoredObject(
      try await rig.ask(.replace(id: old.id), #"{"code":"B","id":"other","status":"on","metadata":{"b":2}}"#))
    #expect(new.id == old.id && new["code"] == "B" && new["name"] == "B" && new["type"].isEmpty)
    #expect(new.value["description"] == .null && new.value["modelId"] == nil && new["status"] == "on")
    #expect(new.metadata == #"{"b":2}"#)
    #expect(try await rig.list().map(\.value) == [new.value])
  }

  @Test func `PUT keeps the metadata that it was not given, and null empties them`() async throws {
    let old = try await rig.create(#"{"code":"A","metadata":{"unit":"°C","n":1.10}}"#)
    let kept = StoredObject(try await rig.ask(.replace(id: old.id), #"{"code":"A","name":"n","modelId":"m"}"#))
    #expect(kept.metadata == #"{"unit":"°C","n":1.10}"# && kept["name"] == "n")
    #expect(StoredObject(try await rig.ask(.read(id: old.id))).value == kept.value)
    for body in [#"{"code":"A","metadata":{}}"#, #"{"code":"A","metadata":null}"#] {
      #expect(StoredObject(try await rig.ask(.replace(id: old.id), body)).metadata == "{}")
    }
  }

  @Test func `EcoCtrl's modelId and status are kept and shown at the top level`() async throws {
    let body =
      #"{"code":"A","name":"n","description":"d","modelId":"aaaaaaaa-0000-4000-8000-000000000001","status":"online"}"#
    let made = try await rig.create(body)
    #expect(made["modelId"] == "aaaaaaaa-0000-4000-8000-000000000001" && made["status"] == "online")
    #expect(made.metadata == "{}")
    #expect(try await rig.list().map(\.value) == [made.value])
    let patched = StoredObject(try await rig.ask(.patch(id: made.id), #"{"status":"offline","modelId":null}"#))
    #expect(patched["status"] == "offline" && patched.value["modelId"] == nil)
    #expect(StoredObject(try await rig.ask(.patch(id: made.id), "{}")).value == patched.value)
    let response = try await rig.ask(.read(id: made.id)).body
    #expect(try await rig.ask(.replace(id: made.id), response).body == response, "a response can be sent back")
    #expect(await rig.refusal(.create, #"{"code":"B","modelId":7,"status":{}}"#)?.places == ["modelId", "status"])
  }

  @Test func `an unknown member is named, with the name that was meant`() async throws {
    let object = try await rig.create(#"{"code":"A"}"#)
    for action in [ResourceAction.create, .replace(id: object.id), .patch(id: object.id)] {
      let error = await rig.refusal(action, #"{"code":"B","nmae":"x","unit":"C"}"#)
      #expect(error?.status == 422 && error?.places == ["nmae", "unit"], "\(action)")
      #expect(error?.problems.first?.message.contains("name") == true)
      #expect(error?.problems.last?.message.contains("'metadata' takes further ones") == true)
    }
    #expect(await rig.refusal(.importAll, #"[{"code":"B"},{"code":"C","unit":"C"}]"#)?.places == ["2.unit"])
    #expect(try await rig.list().map(\.value) == [object.value])
  }

  @Test func `PATCH changes the given members, and null restores the default`() async throws {
    let old = try await rig.create(
      #"{"code":"A","name":"n","type":"t","description":"d","metadata":{"a":1.50,"b":{"c":1,"d":2},"z":0}}"#)
    func patch(_ body: String) async throws -> StoredObject {
      StoredObject(try await rig.ask(.patch(id: old.id), body))
    }
    #expect(try await patch("{}").value == old.value)
    let one = try await patch(#"{"metadata":{"b":{"c":null,"e":3},"z":null},"status":"on","id":"x"}"#)
    #expect(one.metadata == #"{"a":1.50,"b":{"d":2,"e":3}}"# && one["name"] == "n" && one.id == old.id)
    let two = try await patch(#"{"name":null,"type":null,"description":null,"status":null}"#)
    #expect(two["name"] == "A" && two["type"].isEmpty && two.value["description"] == .null)
    #expect(two.metadata == #"{"a":1.50,"b":{"d":2,"e":3}}"#)
    #expect(two.value["status"] == nil)
    #expect(try await patch(#"{"metadata":null}"#).metadata == "{}")
  }

  @Test func `an invalid PATCH changes nothing`() async throws {
    let old = try await rig.create(#"{"code":"A","metadata":{"a":1}}"#)
    let table = [
      (#"{"code":null,"name":7}"#, ["name", "code"]), (#"{"metadata":[]}"#, ["metadata"]),
      (#"{"metadata":{"u":1},"u":2}"#, ["u"]), (#"{"name":"\u0000"}"#, ["name"]), (#"{"u":null}"#, ["u"]),
      (#"{"metadata":{"n":1e131073}}"#, ["metadata"]),
    ]
    for (body, fields) in table {
      let error = await rig.refusal(.patch(id: old.id), body)
      #expect(error?.status == 422 && error?.places == fields, "\(body)")
    }
    #expect(StoredObject(try await rig.ask(.read(id: old.id))).value == old.value)
  }

  @Test func `a taken code is a conflict for POST, PUT and PATCH`() async throws {
    try await rig.create(#"{"code":"A"}"#)
    let other = try await rig.create(#"{"code":"B"}"#)
    for error in [
      await rig.refusal(.create, #"{"code":"A"}"#), await rig.refusal(.replace(id: other.id), #"{"code":"A"}"#),
      await rig.refusal(.patch(id: other.id), #"{"code":"A"}"#),
    ] {
      #expect(error?.status == 409 && error?.code == .conflict)
      #expect(error?.message.contains("'A'") == true)
    }
  }

  @Test func `DELETE succeeds once`() async throws {
    let object = try await rig.create(#"{"code":"A"}"#)
    let response = try await rig.ask(.delete(id: object.id))
    #expect(response.status == 200 && response.body == Array("{\"success\":true}\n".utf8))
    #expect(await rig.refusal(.delete(id: object.id))?.status == 404)
  }

  @Test func `unknown query parameters are refused`() async throws {
    #expect(await rig.refusal(.create, #"{"code":"A"}"#, query: "dryRun=true")?.status == 400)
    #expect(try await rig.list().isEmpty)
  }

  @Test func `a closed store gives 503 with Retry-After`() async throws {
    await rig.catalogue.store.close()
    for action in [ResourceAction.list, .read(id: newUUID()), .delete(id: newUUID())] {
      let error = await rig.refusal(action)
      #expect(error?.status == 503 && error?.code == .storeUnavailable && error?.retryAfter != nil)
    }
    #expect(await rig.refusal(.importAll, #"[{"code":"A"}]"#)?.status == 503)
  }
}
