/// Reads CSV (RFC 4180) record by record: fields separated by commas, quotation marks doubled within quotation marks.
///
/// Lines end with CRLF, LF or CR. A byte order mark and empty lines at the end are skipped. A first line `sep=;`, which
/// spreadsheets understand and do not show, names another separator: `;`, a tab or `|`. A violation of the grammar (a
/// quotation mark in an unquoted field, text after a closing one) is a fault of its record; reading continues with the
/// next line.
struct CSVRecords {
  enum Fault: Sendable, Equatable {
    /// A quotation mark where the grammar allows none.
    case strayQuote
    case openQuote
    case encoding
  }

  struct Record: Sendable, Equatable {
    /// The fields up to the limit.
    var fields: [String] = []
    /// The number of all fields.
    var count = 0
    /// The line of the text in which the record begins, counted from 1.
    var line = 1
    var fault: Fault?
    /// The field with the fault, counted from 1.
    var faultyField = 0
    /// A field beyond the limit has more than white space.
    var hasTextBeyondLimit = false

    /// Has white space only, like the rows that spreadsheets write below a table.
    var isBlank: Bool {
      fault == nil && !hasTextBeyondLimit
        && fields.allSatisfy { $0.unicodeScalars.allSatisfy(\.properties.isWhitespace) }
    }
  }

  private let bytes: UnsafeBufferPointer<UInt8>
  private let end: Int
  private var position: Int
  private var line = 1
  private let separator: UInt8
  /// The first line names a separator that is not accepted; a comma is used.
  let hasUnknownSeparator: Bool

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
    var end = bytes.count
    while end > 0, bytes[end - 1] == Self.lf || bytes[end - 1] == Self.cr { end -= 1 }
    self.end = end
    position = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    let content = UnsafeBufferPointer(rebasing: bytes[min(position, end)..<end])
    guard let (given, length) = Self.separatorLine(content) else {
      (separator, hasUnknownSeparator) = (Self.comma, false)
      return
    }
    hasUnknownSeparator = !Array(",;\t|".utf8).contains(given)
    separator = hasUnknownSeparator ? Self.comma : given
    position += length
    line = 2
  }

  /// Reads a first line `sep=;`, with or without quotation marks and with the separators that fill up a row.
  ///
  /// - Returns: the separator, and the length of the line with its end; nil when the first line is another one.
  private static func separatorLine(_ bytes: UnsafeBufferPointer<UInt8>) -> (separator: UInt8, length: Int)? {
    var end = bytes.firstIndex { $0 == lf || $0 == cr } ?? bytes.count
    var text = bytes[..<end]
    if text.first == quote { text = text.dropFirst() }
    guard String(decoding: text.prefix(4), as: UTF8.self).lowercased() == "sep=",
      let separator = text.dropFirst(4).first,
      text.dropFirst(5).allSatisfy({ $0 == separator || $0 == quote })
    else { return nil }
    if end < bytes.count {
      end += bytes[end] == cr && end + 1 < bytes.count && bytes[end + 1] == lf ? 2 : 1
    }
    return (separator, end)
  }

  /// - Parameter limit: further fields are only counted.
  mutating func next(limit: Int) -> Record? {
    guard position < end else { return nil }
    var record = Record(line: line)
    repeat { field(&record, limit) } while endOfField(&record)
    return record
  }

  private static let quote = UInt8(ascii: "\"")
  private static let comma = UInt8(ascii: ",")
  private static let lf: UInt8 = 0x0A
  private static let cr: UInt8 = 0x0D

  private mutating func field(_ record: inout Record, _ limit: Int) {
    record.count += 1
    let isKept = record.count <= limit
    let first = position
    var content: [UInt8] = []
    if position < end, bytes[position] == Self.quote {
      position += 1
      content = quoted(&record, isKept: isKept)
    } else {
      let start = position
      while position < end, !isDelimiter(bytes[position]) {
        if bytes[position] == Self.quote { fail(&record, .strayQuote) }
        position += 1
      }
      if isKept { content.append(contentsOf: bytes[start..<position]) }
    }
    guard isKept else {
      let hasText = bytes[first..<position].contains { $0 > 0x20 && $0 != Self.quote }
      record.hasTextBeyondLimit = record.hasTextBeyondLimit || hasText
      return
    }
    if let text = String(validating: content, as: UTF8.self) {
      record.fields.append(text)
    } else {
      record.fields.append("")
      fail(&record, .encoding)
    }
  }

  /// Reads from after the opening quotation mark to after the closing one.
  private mutating func quoted(_ record: inout Record, isKept: Bool) -> [UInt8] {
    var content: [UInt8] = []
    var start = position
    while position < end {
      switch bytes[position] {
      case Self.quote:
        if isKept { content.append(contentsOf: bytes[start..<position]) }
        position += 1
        guard position < end, bytes[position] == Self.quote else { return content }
        // The second of two quotation marks starts the following content.
        start = position
      case Self.lf: line += 1
      // CRLF is counted at its LF.
      case Self.cr where position + 1 >= end || bytes[position + 1] != Self.lf: line += 1
      default: break
      }
      position += 1
    }
    fail(&record, .openQuote)
    return content
  }

  private func isDelimiter(_ byte: UInt8) -> Bool { byte == separator || byte == Self.lf || byte == Self.cr }

  /// - Returns: whether another field follows.
  private mutating func endOfField(_ record: inout Record) -> Bool {
    while position < end, !isDelimiter(bytes[position]) {
      fail(&record, .strayQuote)
      position += 1
    }
    guard position < end else { return false }
    let byte = bytes[position]
    position += 1
    if byte == separator { return true }
    if byte == Self.cr, position < end, bytes[position] == Self.lf { position += 1 }
    line += 1
    return false
  }

  private func fail(_ record: inout Record, _ fault: Fault) {
    guard record.fault == nil else { return }
    record.fault = fault
    record.faultyField = record.count
  }
}
