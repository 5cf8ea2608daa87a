import Testing

@testable import Host

@Suite struct CSVRecordsTests {
  private func read(_ bytes: [UInt8], limit: Int = 9) -> [CSVRecords.Record] {
    bytes.withUnsafeBufferPointer { buffer in
      var records = CSVRecords(buffer)
      var all: [CSVRecords.Record] = []
      while let record = records.next(limit: limit) { all.append(record) }
      return all
    }
  }

  private func fields(_ text: String) -> [[String]] { read(Array(text.utf8)).map(\.fields) }

  private static let good: [(String, [[String]])] = [
    ("", []), ("\r\n", []), ("\u{feff}", []), ("\u{feff}\n\n", []),
    ("a", [["a"]]), ("a,b", [["a", "b"]]), ("a,b\r\n", [["a", "b"]]), ("a\nb\n", [["a"], ["b"]]),
    ("a\rb\r", [["a"], ["b"]]), ("a\r\nb", [["a"], ["b"]]), ("a\n\nb", [["a"], [""], ["b"]]),
    (",", [["", ""]]), ("a,\nb,", [["a", ""], ["b", ""]]), ("\u{feff}a,b\n1,2", [["a", "b"], ["1", "2"]]),
    ("\"a\",\"b\"", [["a", "b"]]), ("\"\"", [[""]]), ("\"\"\"\"", [["\""]]), ("\"a\"\"b\"", [["a\"b"]]),
    ("\"\"\"a\"\"\"", [["\"a\""]]), ("\"a,b\"", [["a,b"]]), ("\"a\r\nb\rc\nd\",e\nf", [["a\r\nb\rc\nd", "e"], ["f"]]),
    ("sep=;\na;b,c", [["a", "b,c"]]), ("sep=;", []), ("sep=\na", [["sep="], ["a"]]), ("sepal\na", [["sepal"], ["a"]]),
    ("a\nsep=;\nb;c", [["a"], ["sep=;"], ["b;c"]]),
    ("\u{feff}\"a\"\n", [["a"]]), (" a , b ", [[" a ", " b "]]), ("ä,😀", [["ä", "😀"]]),
  ]

  @Test func `valid CSV is parsed into fields`() {
    for (text, expected) in Self.good {
      let records = read(Array(text.utf8))
      #expect(records.map(\.fields) == expected, "\(text.debugDescription)")
      #expect(records.allSatisfy { $0.fault == nil && $0.count == $0.fields.count }, "\(text.debugDescription)")
    }
  }

  private static let bad: [(String, CSVRecords.Fault, field: Int, line: Int)] = [
    ("a\"b", .strayQuote, 1, 1), ("x,a\"\"b", .strayQuote, 2, 1), ("\"a\"b", .strayQuote, 1, 1),
    ("\"a\" ,b", .strayQuote, 1, 1), (" \"a\"", .strayQuote, 1, 1), ("\"a", .openQuote, 1, 1),
    ("\"", .openQuote, 1, 1), ("\"\"\"", .openQuote, 1, 1), ("x\r\ny,\"a\nb", .openQuote, 2, 2),
  ]

  @Test func `a grammar violation is a fault of its record`() {
    for (text, fault, field, line) in Self.bad {
      let last = read(Array(text.utf8)).last
      #expect(last?.fault == fault && last?.faultyField == field && last?.line == line, "\(text.debugDescription)")
    }
    #expect(read(Array("a\"b\nc".utf8)).map(\.fault) == [.strayQuote, nil], "the next line is read")
    #expect(read([97, 44, 0xff, 10, 98]).map(\.fault) == [.encoding, nil])
    #expect(read([34, 0xc3, 34]).map(\.fault) == [.encoding])
  }

  @Test func `records have line numbers, and fields beyond the limit are only counted`() {
    let records = read(Array("a\r\n\"b\r\nc\"\r\nd\n\n\"e\re\"\nf".utf8))
    #expect(records.map(\.line) == [1, 2, 4, 5, 6, 8])
    let wide = read(Array("a,b,\"c\",d".utf8), limit: 2)
    #expect(wide.map(\.fields) == [["a", "b"]] && wide.map(\.count) == [4])
  }

  @Test func `random damage yields records or faults`() {
    let alphabet = Array("a,\"\r\n\u{feff}é;".utf8)
    for _ in 0..<5000 {
      let bytes = (0..<Int.random(in: 0...24)).map { _ in alphabet.randomElement() ?? 0 }
      let records = read(bytes, limit: 3)
      #expect(records.allSatisfy { $0.fields.count == min($0.count, 3) && $0.line >= 1 })
      #expect(records.count <= bytes.count)
    }
  }
}
