import Testing

@testable import AdapterAPI

@Suite("Fields") struct FieldsTests {
  private func lines(_ fields: Fields) -> [String] {
    var lines: [String] = []
    fields.forEach { name, value in
      lines.append(String(decoding: name, as: UTF8.self) + "=" + String(decoding: value, as: UTF8.self))
    }
    return lines
  }

  @Test func `appending keeps the wire form and the order`() throws {
    var fields = Fields()
    #expect(fields.isEmpty)
    try fields.append("Content-Type", "application/json")
    try fields.append("x", "")
    var more = Fields()
    try more.append("y", "2")
    fields.append(more)
    #expect(String(decoding: fields.bytes, as: UTF8.self) == "Content-Type: application/json\r\nx: \r\ny: 2\r\n")
    #expect(lines(fields) == ["Content-Type=application/json", "x=", "y=2"])
  }

  @Test func `a lookup ignores the case of names and returns the first value`() throws {
    var fields = Fields()
    try fields.append("X-Point", "1")
    try fields.append("x-point", "2")
    for name in ["x-point", "X-POINT", "X-Point"] { #expect(fields[name] == "1") }
    #expect(fields["x-poin"] == nil && fields["x-points"] == nil && fields[""] == nil)
    // Not every pair of bytes that differs by 0x20 is a pair of letters.
    try fields.append("a^b", "3")
    #expect(fields["a~b"] == nil)
  }

  @Test(arguments: [
    ("x", "a\r\nInjected: 1"), ("x", "a\nb"), ("x", "a\rb"), ("x", "a\u{0}"), ("", "a"), ("x y", "a"), ("x:", "a"),
    ("x\r\n", "a"), ("é", "a"),
  ])
  func `appending an invalid name or value throws and changes nothing`(_ name: String, _ value: String) throws {
    var fields = Fields()
    try fields.append("good", "1")
    #expect(throws: AdapterError.self) { try fields.append(name, value) }
    #expect(lines(fields) == ["good=1"])
  }

  @Test func `forEach trims white space around values`() {
    let fields = Fields(checkedBlock: Array("A:  x \t\r\nB:\r\nC:y\r\n".utf8))
    #expect(lines(fields) == ["A=x", "B=", "C=y"])
    #expect(fields["b"] == "")
  }

  @Test func `a malformed block is read without a crash`() {
    for text in ["", "\r", "\r\n", "no colon\r\n", "a: b", "a: b\r", ":\r\n", "a: b\r\n\r\nc: d\r\n"] {
      let fields = Fields(checkedBlock: Array(text.utf8))
      _ = lines(fields)
      _ = fields.hasDate
      #expect(fields["nothing"] == nil)
    }
  }

  @Test func `hasDate is true for a Date field only`() {
    func hasDate(_ text: String) -> Bool { Fields(checkedBlock: Array(text.utf8)).hasDate }
    for text in ["Date: x\r\n", "date: x\r\n", "DATE:x\r\n", "A: b\r\nDate: x\r\n"] { #expect(hasDate(text)) }
    for text in ["", "Dat", "Dates: x\r\n", "X-Date: x\r\n", "A: Date: x\r\n", "$ate: x\r\n", "Update: x\r\n"] {
      #expect(!hasDate(text), "\(text)")
    }
  }
}
