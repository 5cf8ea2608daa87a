import AdapterAPI
import Testing

@Suite struct JSONNumberTests {
  @Test(arguments: [
    ("0", 0), ("-0", 0), ("0.0", 0), ("0e5", 0), ("2", 2), ("2.0", 2), ("2e0", 2), ("2E+0", 2), ("20e-1", 2),
    ("0.2e1", 2),
    ("-7.00", -7), ("1e3", 1000), ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min),
    ("9.223372036854775807e18", Int.max), ("1000000000000000000", 1_000_000_000_000_000_000),
  ])
  func `a number without a fraction is whole however it is written`(text: String, whole: Int) {
    #expect(JSONNumber(text).whole == whole)
  }

  @Test(arguments: [
    "0.5", "2.01", "2e-1", "9223372036854775808", "-9223372036854775809", "1e19", "1e400", "1e-400",
    "1e99999999999999999999",
    "-1e-99999999999999999999",
  ])
  func `a number with a fraction, or beyond the integers, is not whole`(text: String) {
    #expect(JSONNumber(text).whole == nil)
  }

  @Test func `numbers are equal by value, exactly`() {
    for (one, two) in [
      ("1.10", "1.1"), ("1e3", "1000"), ("-0", "0.00"), ("0e9", "0"), ("12e-1", "1.2"), ("1e400", "10e399"),
    ] {
      #expect(JSONNumber(one) == JSONNumber(two), "\(one) \(two)")
      #expect(JSONNumber(one).hashValue == JSONNumber(two).hashValue, "\(one) \(two)")
    }
    for (one, two) in [
      ("1", "-1"), ("12345678901234567890", "12345678901234567891"), ("0.1", "0.10000000000000000001"),
      ("1e400", "1e401"),
    ] {
      #expect(JSONNumber(one) != JSONNumber(two), "\(one) \(two)")
    }
  }

  @Test(arguments: [
    ("7", 1, 0), ("1.10", 1, 2), ("1e400", 401, 0), ("1.5e3", 4, 0), ("1.5e-3", 1, 4), ("0.00e1", 2, 1),
    ("-12.5", 2, 1),
  ])
  func `the digits of a number without its exponent are counted`(text: String, whole: Int, fraction: Int) {
    #expect(JSONNumber(text).written == (whole, fraction))
  }

  private func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

  @Test func `values are the same whatever the order of members and the form of numbers`() throws {
    let one = try json(#"{"a":1.0,"b":[1e1,{"x":null,"y":"é"}],"c":{}}"#)
    #expect(one.isSame(as: try json(#"{"c":{},"b":[10,{"y":"é","x":null}],"a":1}"#)))
    for other in [
      #"{"a":1,"b":[10,{"x":null,"y":"e\u0301"}],"c":{}}"#, #"{"a":1,"b":[10,{"x":null,"y":"é"}],"c":[]}"#,
      #"{"a":"1","b":[10,{"x":null,"y":"é"}],"c":{}}"#, #"{"a":1,"b":[{"x":null,"y":"é"},10],"c":{}}"#,
      #"{"a":1,"b":[10,{"x":null,"y":"é"}],"c":{},"d":1}"#,
    ] {
      #expect(!one.isSame(as: try json(other)), "\(other)")
    }
  }

  @Test func `a value contains a pattern of some of its members`() throws {
    let value = try json(#"{"unit":"C","range":{"min":0,"max":1},"tags":["a"]}"#)
    for pattern in ["{}", #"{"unit":"C"}"#, #"{"range":{"min":0.0}}"#, #"{"tags":["a"]}"#] {
      #expect(value.contains(try json(pattern)), "\(pattern)")
    }
    for pattern in [#"{"unit":"K"}"#, #"{"range":0}"#, #"{"range":{"min":"0"}}"#, #"{"tags":"a"}"#, #"{"x":null}"#] {
      #expect(!value.contains(try json(pattern)), "\(pattern)")
    }
  }
}
