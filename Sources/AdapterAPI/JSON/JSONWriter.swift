/// Writes JSON text into bytes, without spaces. Commas are written as needed.
///
/// Strings and keys are escaped in the printable form (`Escaping`), so that untrusted text may be written. Values need a key before
/// them inside objects; the writer does not check that, nor that every object and array is closed.
///
/// ```swift
/// var json = JSONWriter()
/// json.object {
///   $0.member("code", 200)
///   $0.member("points", arrayOf: points) { json, point in json.object { $0.member("id", point.id) } }
/// }
/// return json.bytes
/// ```
public struct JSONWriter: Sendable {
  /// The text so far.
  public private(set) var bytes: [UInt8] = []
  /// Whether the next value or key needs a comma before it.
  private var needsComma = false

  /// - Parameter capacity: The number of bytes to reserve.
  public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// Appends what `body` writes to existing bytes, without a copy.
  public static func append(to bytes: inout [UInt8], _ body: (inout JSONWriter) -> Void) {
    var writer = JSONWriter()
    swap(&writer.bytes, &bytes)
    body(&writer)
    swap(&writer.bytes, &bytes)
  }

  /// Returns one object as text. `body` writes its members.
  public static func object(capacity: Int = 0, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter(capacity: capacity)
    writer.object(body)
    return writer.bytes
  }

  // MARK: values

  /// Writes an object whose members `body` writes.
  public mutating func object(_ body: (inout JSONWriter) -> Void) {
    beginObject()
    body(&self)
    endObject()
  }

  /// Writes an array whose elements `write` writes one by one.
  public mutating func array<Element>(
    of elements: some Sequence<Element>, _ write: (inout JSONWriter, Element) -> Void
  ) {
    beginArray()
    for element in elements { write(&self, element) }
    endArray()
  }

  public mutating func beginObject() { open(UInt8(ascii: "{")) }
  public mutating func endObject() { close(UInt8(ascii: "}")) }
  public mutating func beginArray() { open(UInt8(ascii: "[")) }
  public mutating func endArray() { close(UInt8(ascii: "]")) }

  /// Writes a string.
  ///
  /// - Parameter limit: The largest number of UTF-8 bytes; a longer text is cut between characters and ends in an ellipsis.
  public mutating func string(_ string: String, limit: Int = .max) {
    separate()
    Escaping.appendQuoted(string, limit: limit, to: &bytes)
    needsComma = true
  }

  /// Writes a string from bytes that may not be UTF-8; ill-formed parts become U+FFFD.
  ///
  /// - Parameter limit: As for the function above.
  public mutating func string(_ bytes: UnsafeBufferPointer<UInt8>, limit: Int = .max) {
    separate()
    self.bytes.append(UInt8(ascii: "\""))
    Escaping.append(bytes, limit: limit, to: &self.bytes)
    self.bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  public mutating func integer(_ integer: Int) { raw(String(integer)) }

  /// Writes a finite number in its shortest form, a whole one without a fraction; any other number as `null`.
  public mutating func number(_ number: Double) {
    guard number.isFinite else { return null() }
    raw(number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : number.description)
  }

  public mutating func flag(_ flag: Bool) { raw(flag ? "true" : "false") }
  public mutating func null() { raw("null") }

  /// Writes a parsed value. Its strings are escaped in the required form, so that the text is never longer than the one that
  /// was parsed.
  public mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .flag(let value): flag(value)
    case .number(let text): raw(text)
    case .string(let value):
      separate()
      Escaping.appendRequired(value, to: &bytes)
      needsComma = true
    case .array(let elements): array(of: elements) { $0.value($1) }
    case .object(let members):
      object {
        for member in members {
          $0.separate()
          Escaping.appendRequired(member.key, to: &$0.bytes)
          $0.colon()
          $0.value(member.value)
        }
      }
    }
  }

  /// Writes a value that is JSON text already; the text is not checked.
  public mutating func json(_ text: String) { raw(text) }

  /// Writes a string whose bytes need no escape, which the writer does not check.
  public mutating func quoted(_ bytes: some Collection<UInt8>) {
    separate()
    self.bytes.append(UInt8(ascii: "\""))
    self.bytes.append(contentsOf: bytes)
    self.bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  /// Ends the text with a line feed and returns it.
  public consuming func line() -> [UInt8] {
    bytes.append(0x0A)
    return bytes
  }

  // MARK: members

  /// Writes a member's key; its value must follow.
  public mutating func key(_ key: String) {
    separate()
    Escaping.appendQuoted(key, to: &bytes)
    colon()
  }

  /// Writes a member with a string, or with `null`.
  public mutating func member(_ key: String, _ string: String?, limit: Int = .max) {
    self.key(key)
    if let string { self.string(string, limit: limit) } else { null() }
  }

  /// Writes a member with an integer, or with `null`.
  public mutating func member(_ key: String, _ integer: Int?) {
    self.key(key)
    if let integer { self.integer(integer) } else { null() }
  }

  /// Writes a member with `true` or `false`.
  public mutating func member(_ key: String, _ flag: Bool) {
    self.key(key)
    self.flag(flag)
  }

  /// Writes a member with an array of strings.
  public mutating func member(_ key: String, _ strings: [String]) {
    member(key, arrayOf: strings) { $0.string($1) }
  }

  /// Writes a member with an array whose elements `write` writes one by one.
  public mutating func member<Element>(
    _ key: String, arrayOf elements: some Sequence<Element>, _ write: (inout JSONWriter, Element) -> Void
  ) {
    self.key(key)
    array(of: elements, write)
  }

  // MARK: bytes

  private mutating func open(_ byte: UInt8) {
    separate()
    bytes.append(byte)
    needsComma = false
  }

  private mutating func close(_ byte: UInt8) {
    bytes.append(byte)
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }

  private mutating func colon() {
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  private mutating func raw(_ text: String) {
    separate()
    bytes.append(text: text)
    needsComma = true
  }
}
