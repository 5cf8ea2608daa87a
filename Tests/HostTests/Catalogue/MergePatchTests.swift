import AdapterAPI
import Testing

@testable import Host

@Suite struct MergePatchTests {
  /// RFC 7396, appendix A: original, patch, result.
  private static let appendix = [
    (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
    (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
    (#"{"a":"b"}"#, #"{"a":null}"#, #"{}"#),
    (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
    (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
    (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
    (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
    (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#),
    (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
    (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#),
    (#"{"a":"foo"}"#, #"null"#, #"null"#),
    (#"{"a":"foo"}"#, #""bar""#, #""bar""#),
    (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
    (#"[1,2]"#, #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
    (#"{}"#, #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
  ]

  @Test(arguments: appendix) func `the examples of RFC 7396 merge as specified`(
    original: String, patch: String, result: String
  ) throws {
    let merged = MergePatch.apply(
      try JSONValue(parsing: Array(patch.utf8)), to: try JSONValue(parsing: Array(original.utf8)))
    #expect(String(decoding: merged.serialized, as: UTF8.self) == result)
  }

  @Test func `merging many keys takes no quadratic time`() {
    let old = (0..<50_000).map { JSONValue.Member("k\($0)", .number("1")) }
    let patch = (25_000..<75_000).map { JSONValue.Member("k\($0)", $0 % 2 == 0 ? .null : .number("2")) }
    let merged = MergePatch.merge(patch, into: old)
    #expect(merged.count == 25_000 + 25_000 && merged.last?.key == "k74999")
  }
}
