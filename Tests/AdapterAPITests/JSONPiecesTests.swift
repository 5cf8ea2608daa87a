import Testing

@testable import AdapterAPI

@Suite("JSON: pieces") struct JSONPiecesTests {
  private func elements(_ text: String) -> Result<[String], JSONShape.Problem> {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      var found: [String] = []
      do throws(JSONShape.Problem) {
        try JSONPieces.elements(of: bytes) { element, _ in
          found.append(String(decoding: element, as: UTF8.self))
          return true
        }
        return .success(found)
      } catch {
        return .failure(error)
      }
    }
  }

  private func members(_ text: String, uniqueKeys: Bool = true) -> Result<[String], JSONShape.Problem> {
    Array(text.utf8).withUnsafeBufferPointer { bytes in
      var found: [String] = []
      do throws(JSONShape.Problem) {
        try JSONPieces.members(of: bytes, uniqueKeys: uniqueKeys) {
          found.append("\($0)=\(String(decoding: $1, as: UTF8.self))")
        }
        return .success(found)
      } catch {
        return .failure(error)
      }
    }
  }

  private func fault(_ result: Result<[String], JSONShape.Problem>) -> JSONShape.Fault? {
    if case .failure(let problem) = result { problem.fault } else { nil }
  }

  @Test func `elements hands out an array's elements as they are written`() throws {
    #expect(
      try elements(#" [ 1.0 , {"a" : [ ]} ,"x\n", [ ] , null ] "#).get() == [
        "1.0", #"{"a" : [ ]}"#, #""x\n""#, "[ ]", "null",
      ])
    #expect(try elements("[]").get().isEmpty)
    #expect(try elements(#"[{"a":1,"a":2}]"#).get().count == 1, "elements does not check for duplicate keys")
  }

  @Test func `members hands out decoded keys and values as they are written`() throws {
    #expect(try members(#" { "a" : 1.0 , "\u0062" : { "x" : 1 } } "#).get() == ["a=1.0", #"b={ "x" : 1 }"#])
    #expect(try members(#"{"\ud800":1}"#).get() == ["\0\0\0=1"])
    #expect(try members("{}").get().isEmpty)
    #expect(try members(#"{"a":1,"a":{"b":2,"b":3}}"#, uniqueKeys: false).get().count == 2)
  }

  @Test func `a problem at any depth is reported with its kind`() {
    let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    let arrays: [(String, JSONShape.Fault)] = [
      ("", .empty), (" ", .empty), ("{}", .notAnArray), ("[", .cut), ("[1", .cut), ("[1,]", .syntax),
      ("[1 2]", .syntax),
      ("[]1", .trailing), ("[1]]", .trailing), ("[[\(deep)]]", .depth), ("[{\"a\" 1}]", .syntax),
      ("[\"\u{1}\"]", .controlCharacter),
    ]
    for (text, expected) in arrays { #expect(fault(elements(text)) == expected, "\(text)") }
    let objects: [(String, JSONShape.Fault)] = [
      ("", .empty), ("[]", .notAnObject), ("{", .cut), ("{\"a\"}", .syntax), ("{\"a\":1,}", .syntax),
      ("{} {}", .trailing),
      (#"{"a":1,"\u0061":2}"#, .duplicateKey), (#"{"a":[{"b":1,"b":1}]}"#, .duplicateKey), ("{\"a\":\(deep)}", .depth),
      (#"{"a":"\q"}"#, .escape),
    ]
    for (text, expected) in objects { #expect(fault(members(text)) == expected, "\(text)") }
  }

  @Test func `JSONValue(storing:) holds NUL for text that cannot be stored, and equals the plain value otherwise`()
    throws
  {
    func stored(_ text: String) throws -> JSONValue {
      try Array(text.utf8).withUnsafeBufferPointer { try JSONValue(storing: $0) }
    }
    for text in [#""\u0000""#, #""\ud800""#, #"{"\udc00x":1}"#, #"[[{"a":"b\ud800\ud800"}]]"#] {
      #expect(try stored(text).holdsNUL, "\(text)")
    }
    for text in [#""\ud83d\ude00""#, #""\ufffd""#, "\"\u{ed7f}\"", #"{"a":["\\u0000"]}"#, "\"\u{d7ff}\""] {
      let value = try stored(text)
      let plain = try JSONValue(parsing: Array(text.utf8))
      #expect(!value.holdsNUL && value == plain, "\(text)")
    }
  }
}
