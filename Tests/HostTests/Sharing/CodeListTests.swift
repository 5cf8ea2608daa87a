import AdapterAPI
import Testing

@testable import Host

@Suite struct CodeListTests {
  private func codes(_ body: String, max: Int = 4) -> [String]? {
    CodeList(Array(body.utf8), member: "codes", max: max)?.codes.map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  @Test func `init accepts a list of codes and nothing else`() {
    #expect(codes(#"{"codes":["a"]}"#) == ["a"])
    #expect(codes(" { \"codes\" :\t[ \"b\" ,\n\"a\"\r] } ") == ["b", "a"])
    #expect(codes(#"{"codes":["é","日本 ,]}","a/b"]}"#) == ["é", "日本 ,]}", "a/b"])
    #expect(codes(#"{"codes":["1","2","3","4"]}"#)?.count == 4)
  }

  @Test(arguments: [
    #"{"codes":[]}"#, #"{}"#, #"{"codes":null}"#, #"{"codes":"a"}"#, #"{"codes":[1]}"#, #"{"codes":["a",1]}"#,
    #"{"codes":[["a"]]}"#, #"{"codes":["a"],"prop":"x"}"#, #"{"prop":"x","codes":["a"]}"#, #"{"Codes":["a"]}"#,
    #"{"c\u006fdes":["a"]}"#, #"{"codes":["\u0061"]}"#, #"{"codes":["a\/b"]}"#,
    #"{"codes":[""]}"#, #"{"codes":["1","2","3","4","5"]}"#, #"{"codes":["a","a"]}"#, #"{"codes":["a"]} x"#,
    #"{"codes":["a""#, "", "[", "{",
  ])
  func `init refuses a body of any other form`(_ body: String) { #expect(codes(body) == nil) }

  @Test func `codes that only Unicode calls equal are two codes`() {
    let body = "{\"codes\":[\"\u{e9}\",\"e\u{301}\"]}"
    #expect(codes(body)?.count == 2)
  }

  @Test func `init refuses a body beyond the limit`() {
    let long = String(repeating: "x", count: CodeList.largestBody)
    #expect(codes("{\"codes\":[\"\(long)\"]}") == nil)
  }

  @Test func `MergedCodes has each code once, in order of arrival, and adds a list whole or not at all`() throws {
    func list(_ codes: [String]) throws -> CodeList {
      try #require(CodeList(ModelUpstream.body(codes), member: "codes", max: 10))
    }
    var merged = MergedCodes()
    let lists = [["b", "a"], ["c", "a"], ["d", "e"], ["a", "d"]]
    let indices = try lists.map { merged.add(try list($0), max: 4) }
    #expect(indices == [[0, 1], [2, 1], nil, [1, 3]])
    #expect(MergedCodes.body(of: merged.codes, member: "codes") == ModelUpstream.body(["b", "a", "c", "d"]))
  }

  @Test func `MergedCodes adds no list beyond the largest body`() throws {
    var merged = MergedCodes()
    for turn in 0..<3 {
      let code = String(repeating: "\(turn)", count: CodeList.largestBody / 3)
      let list = try #require(CodeList(ModelUpstream.body([code]), member: "codes", max: 10))
      let indices = merged.add(list, max: 10)
      #expect((indices == nil) == (turn == 2))
    }
  }
}
