import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct ObjectBodyTests {
  private let rig = CatalogueRig()

  @Test func `a created object has its members in order and its defaults`() async throws {
    let response = try await rig.ask(.create, #"{"code":"A-1","id":"mine"}"#)
    let object = StoredObject(response)
    let text = String(decoding: response.body, as: UTF8.self)
    #expect(response.status == 201 && uuid(object.id) == object.id)
    #expect(
      text == #"{"id":"\#(object.id)","code":"A-1","name":"A-1","type":"","description":null,"metadata":{}}"# + "\n")
    #expect(try await rig.ask(.read(id: object.id.uppercased())).body == response.body)
  }

  @Test func `numbers keep their text`() async throws {
    let body = #"""
      {"code":"A","name":"\u00e9\ud83d\ude00","type":"sensor","description":"d'; DROP TABLE objects;--",
       "metadata":{"n":1.10,"big":12345678901234567890,"e":1e400,"s":{"b":[1.0,{"c":-0}]}},
       "modelId":"m-1","status":null}
      """#
    let object = try await rig.create(body)
    #expect(object["name"] == "é😀" && object["description"] == "d'; DROP TABLE objects;--")
    #expect(object.metadata == #"{"n":1.10,"big":12345678901234567890,"e":1e400,"s":{"b":[1.0,{"c":-0}]}}"#)
    #expect(object["modelId"] == "m-1" && object.value["status"] == nil)
    #expect(StoredObject(try await rig.ask(.read(id: object.id))).value == object.value)
  }

  /// Invalid bodies with the fields that are reported.
  private static let bad: [(String, [String])] = [
    (#"{}"#, ["code"]), (#"{"code":null}"#, ["code"]), (#"{"code":""}"#, ["code"]), (#"{"code":7}"#, ["code"]),
    (#"{"code":"a\nb"}"#, ["code"]), (#"{"code":"a\u007f"}"#, ["code"]), (#"{"code":"a\u0085"}"#, ["code"]),
    (#"{"code":"a\u0000"}"#, ["code"]), (#"{"code":"\ud800"}"#, ["code"]), (#"{"code":"\udc00\ud800"}"#, ["code"]),
    (#"{"code":"A","name":"x\u0000"}"#, ["name"]), (#"{"code":"A","metadata":{"a":[{"b\u0000":1}]}}"#, ["metadata"]),
    (#"{"code":"A","metadata":{"a":"\udfff"}}"#, ["metadata"]), (#"{"code":"A","x\u0000":1}"#, ["x?"]),
    (
      #"{"code":[],"name":1,"type":{},"description":false,"metadata":[]}"#,
      ["metadata", "code", "name", "type", "description"]
    ),
    (#"{"code":"A","metadata":"{}"}"#, ["metadata"]), (#"{"code":"A","metadata":{"u":1},"u":2}"#, ["u"]),
    (#"{"code":"A","metadata":{"u":1},"u":1}"#, ["u"]), (#"{"code":"A","Code":1,"a b":[]}"#, ["Code", "a b"]),
    (#"{"code":"A","metadata":{"n":[1e131072]}}"#, ["metadata"]),
    (#"{"code":"A","metadata":{"n":-1e-16384}}"#, ["metadata"]),
    (#"{"code":"A","metadata":{"n":1e99999999999999999999}}"#, ["metadata"]),
    (#"{"code":"A","metadata":{"a":1e100000,"b":1e100000,"c":1e100000}}"#, ["metadata"]),
    (#"{"code":"\#(text(256))"}"#, ["code"]), (#"{"code":"A","name":"\#(text(256))"}"#, ["name"]),
    (#"{"code":"A","type":"\#(text(65))"}"#, ["type"]),
    (#"{"code":"A","description":"\#(text(501))"}"#, ["description"]),
    (#"{"code":"A","metadata":{"a":"\#(text(262_144))"}}"#, ["metadata"]),
    (#"{"code":"A","metadata":{"a":"\#(text(10_000_000))"}}"#, ["metadata"]),
    (#"{"code":"A","other":"\#(text(10_000_000))"}"#, ["other"]),
  ]

  private static func text(_ count: Int) -> String { String(repeating: "x", count: count) }

  @Test func `every invalid field is reported, and nothing is written`() async throws {
    for (body, fields) in Self.bad {
      let error = await rig.refusal(.create, body)
      #expect(error?.status == 422 && error?.code == .invalidField, "\(body.prefix(80))")
      #expect(error?.places == fields, "\(body.prefix(80))")
    }
    #expect(try await rig.list().isEmpty)
  }

  @Test func `values at the limits are accepted, counted in characters`() async throws {
    let object = try await rig.create(
      #"{"code":"\#(String(repeating: "é", count: 255))","type":"\#(Self.text(64))","description":"\#(Self.text(500))"}"#
    )
    #expect(object["name"].unicodeScalars.count == 255)
    let metadata = #"{"a":"\#(Self.text(262_144 - 8))"}"#
    #expect(try await rig.create(#"{"code":"B","metadata":\#(metadata)}"#).metadata == metadata)
  }

  @Test(arguments: [
    "", " ", "[]", "null", "{", #"{"code":"A"}x"#, #"{"code":"A","code":"B"}"#, #"{"code":"A","c\u006fde":"B"}"#,
    #"{"code":"A","metadata":{"a":1,"a":1}}"#, #"{"code":"A","x":[{"a":1,"\u0061":2}]}"#, "\u{feff}{}",
    "{\"code\":\"a\u{1}\"}", #"{"code":"\x"}"#, #"{"code":01}"#,
    #"{"code":"A","metadata":"# + String(repeating: "[", count: 64) + String(repeating: "]", count: 64) + "}",
  ])
  func `a body that is not an unambiguous JSON object is refused`(body: String) async {
    let error = await rig.refusal(.create, body)
    #expect(error?.status == 400 && error?.code == .badJSON, "\(body.prefix(60))")
  }

  @Test func `an object may be as deep as a body, and its response can be sent back`() async throws {
    func deep(_ levels: Int) -> String {
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    let object = try await rig.create(#"{"code":"A","metadata":{"x":\#(deep(62))}}"#)
    #expect(object.metadata == #"{"x":\#(deep(62))}"#)
    let patched = StoredObject(try await rig.ask(.patch(id: object.id), #"{"metadata":{"y":\#(deep(62))}}"#))
    #expect(patched.metadata == #"{"x":\#(deep(62)),"y":\#(deep(62))}"#)
    let response = try await rig.ask(.read(id: object.id)).body
    #expect(try await rig.ask(.replace(id: object.id), response).body == response)
    #expect(await rig.refusal(.create, #"{"code":"B","metadata":{"x":\#(deep(63))}}"#)?.code == .badJSON)
  }

  @Test func `an unsupported media type is refused`() async throws {
    for type in ["text/plain", "application/x-www-form-urlencoded", "text/csv", "application/jsonp"] {
      #expect(await rig.refusal(.create, #"{"code":"A"}"#, type: type)?.status == 415, "\(type)")
    }
    let object = StoredObject(try await rig.ask(.create, #"{"code":"A"}"#, type: nil))
    _ = try await rig.ask(
      .patch(id: object.id), #"{"name":"n"}"#, type: "application/merge-patch+json; charset=utf-8")
    #expect(await rig.refusal(.patch(id: object.id), "[]", type: "application/json-patch+json")?.status == 415)
    #expect(await rig.refusal(.importAll, "[]", type: "text/plain")?.status == 415)
    #expect(await rig.refusal(.importAll, "code", type: "text/csv; charset=iso-8859-1")?.status == 415)
  }

  @Test func `a randomly damaged body is parsed or refused`() async throws {
    let whole = Array(
      #"{"code":"A\u00e9","name":"n","metadata":{"a":[1.5,{"b":"\ud83d\ude00"}],"c":null},"modelId":"m"}"#.utf8)
    var random = SystemRandomNumberGenerator()
    for _ in 0..<3000 {
      var body = whole
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<body.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: body[place] = UInt8.random(in: 0 ... .max, using: &random)
        case 1: body.remove(at: place)
        default: body.insert(body[Int.random(in: 0..<body.count, using: &random)], at: place)
        }
        if body.isEmpty { body = [0] }
      }
      var problems = FieldProblems()
      let members = try? body.withUnsafeBufferPointer { try MemberReader.members(of: $0, into: &problems) }
      guard let members, problems.isEmpty else { continue }
      let object = ObjectDraft(members).object(id: "x", into: &problems)
      #expect((object == nil) == !problems.isEmpty)
      if let object {
        #expect(!object.code.isEmpty && (try? JSONValue(parsing: Array(object.metadata.utf8))) != nil)
      }
    }
  }
}
