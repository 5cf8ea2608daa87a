import AdapterAPI

/// Finds the payload in a chunked body (RFC 9112 §7.1) as the bytes arrive, without storing any.
///
/// Strict: sizes are hexadecimal digits and nothing else, lines end in CRLF, extensions and trailers are bounded. Each byte is
/// judged by itself, so the verdict does not depend on the pieces.
///
/// White space (SP, HTAB) is accepted on both sides of an extension's `;`, which RFC 9112 §7.1.1 calls "bad white space": a recipient
/// must accept it (RFC 9110 §5.6.3). It has no meaning, and counts towards the limit of the extensions. A size with white space
/// and no `;` behind it is refused: the grammar has no such line.
struct ChunkedDecoder {
  enum Step: Equatable {
    /// Payload in the buffer; `offset` is behind it already.
    case payload(start: Int, count: Int)
    case needMore
    /// `offset` is at the first byte behind the message.
    case finished
    case failed(HTTPFault)
  }

  /// The bytes of all chunk extensions in one body (RFC 9112 §7.1.1).
  static let maxExtensions = 1 << 10
  static let maxTrailerSize = 16 << 10
  static let maxTrailerLines = 100
  /// More digits than `maxChunk` needs.
  static let maxSizeDigits = 16
  static let maxChunk = 1 << 60

  private enum Stage: UInt8 {
    case firstDigit, digits, beforeExtension, chunkExtension, quoted, escaped, sizeLF
    case data, dataCR, dataLF
    case lineStart, trailerName, trailerValue, trailerLF, lastLF, finished
  }

  private var stage = Stage.firstDigit
  private var digits: UInt8 = 0
  /// The size of the current chunk; in its data, the bytes that are still to come.
  private var size = 0
  private var extensionBytes: UInt16 = 0
  private var trailerBytes: UInt16 = 0
  private var trailerLines: UInt8 = 0
  private var name = TrailerName()

  init() {}

  /// The bytes of the current chunk that are still to come.
  var announced: Int { stage == .data ? size : 0 }

  /// Continues at `offset`. Call it again after `.payload`, and with the next bytes after `.needMore`.
  mutating func step(_ bytes: UnsafePointer<UInt8>, count: Int, offset: inout Int) -> Step {
    while true {
      if stage == .finished { return .finished }
      guard offset < count else { return .needMore }
      if stage == .data {
        let start = offset
        let length = min(size, count - offset)
        size -= length
        offset += length
        if size == 0 { stage = .dataCR }
        return .payload(start: start, count: length)
      }
      if let fault = take(bytes[offset]) { return .failed(fault) }
      offset += 1
    }
  }

  @inline(__always)
  private mutating func take(_ byte: UInt8) -> HTTPFault? {
    switch stage {
    case .firstDigit, .digits, .beforeExtension: return sizeByte(byte)
    case .chunkExtension, .quoted, .escaped: return extensionByte(byte)
    case .sizeLF:
      guard byte == 0x0A else { return .bareCR }
      stage = size > 0 ? .data : .lineStart
    case .dataCR:
      guard byte == 0x0D else { return .bad("A chunk is not followed by CRLF, or is longer than its size says.") }
      stage = .dataLF
    case .dataLF:
      guard byte == 0x0A else { return .bareCR }
      stage = .firstDigit
    case .lineStart, .trailerName, .trailerValue, .trailerLF: return trailerByte(byte)
    case .lastLF:
      guard byte == 0x0A else { return .bareCR }
      stage = .finished
    case .data, .finished: break
    }
    return nil
  }

  @inline(__always)
  private mutating func sizeByte(_ byte: UInt8) -> HTTPFault? {
    if stage != .beforeExtension, let digit = HexDigit.value(byte) {
      if stage == .firstDigit {
        stage = .digits
        digits = 0
        size = 0
      }
      guard digits < ChunkedDecoder.maxSizeDigits else { return .bad("A chunk size has more than 16 digits.") }
      digits += 1
      // Checked before the shift, so that nothing overflows.
      guard size <= (ChunkedDecoder.maxChunk - Int(digit)) >> 4 else {
        return HTTPFault(.bodyTooLarge, "A chunk size is larger than any body.")
      }
      size = size << 4 | Int(digit)
      return nil
    }
    guard stage != .firstDigit else { return .badChunkSize }
    switch byte {
    case 0x0D where stage == .digits: stage = .sizeLF
    case UInt8(ascii: ";"):
      stage = .chunkExtension
      return countExtension()
    case 0x20, 0x09:
      stage = .beforeExtension
      return countExtension()
    case 0x0A: return .bad("A chunk-size line ends in LF alone; lines end in CRLF.")
    default: return .badChunkSize
    }
    return nil
  }

  private mutating func extensionByte(_ byte: UInt8) -> HTTPFault? {
    switch (stage, byte) {
    case (.chunkExtension, 0x0D):
      stage = .sizeLF
      return nil
    case (_, 0x09), (_, 0x20...0x7E):
      switch (stage, byte) {
      case (.chunkExtension, UInt8(ascii: "\"")): stage = .quoted
      case (.quoted, UInt8(ascii: "\"")), (.escaped, _): stage = stage == .escaped ? .quoted : .chunkExtension
      case (.quoted, UInt8(ascii: "\\")): stage = .escaped
      default: break
      }
      return countExtension()
    default: return .bad("A chunk extension has a character that is not allowed there.")
    }
  }

  private mutating func countExtension() -> HTTPFault? {
    extensionBytes += 1
    return extensionBytes > ChunkedDecoder.maxExtensions ? .bad("The chunk extensions are larger than allowed.") : nil
  }
}

// Trailer fields are checked as all fields are, and dropped (RFC 9112 §7.1.2).
extension ChunkedDecoder {
  private mutating func trailerByte(_ byte: UInt8) -> HTTPFault? {
    trailerBytes += 1
    guard trailerBytes <= ChunkedDecoder.maxTrailerSize else {
      return HTTPFault(.headersTooLarge, "The trailer section is larger than allowed.")
    }
    switch stage {
    case .lineStart:
      if byte == 0x0D {
        stage = .lastLF
        return nil
      }
      trailerLines += 1
      guard trailerLines <= ChunkedDecoder.maxTrailerLines else {
        return HTTPFault(.headersTooLarge, "The trailer section has more fields than allowed.")
      }
      name = TrailerName()
      stage = .trailerName
      return nameByte(byte)
    case .trailerName: return nameByte(byte)
    case .trailerValue:
      if byte == 0x0D {
        stage = .trailerLF
      } else if (byte < 0x20 && byte != 0x09) || byte == 0x7F {
        return .bad("A trailer field has a control character, which is not allowed there.")
      }
    default:
      guard byte == 0x0A else { return .bareCR }
      stage = .lineStart
    }
    return nil
  }

  private mutating func nameByte(_ byte: UInt8) -> HTTPFault? {
    if byte == UInt8(ascii: ":"), name.count > 0 {
      stage = .trailerValue
      return name.isForbidden ? .bad("A trailer field may not change how the message is framed, routed or read.") : nil
    }
    guard ByteSet.token.contains(byte) else { return .bad("A trailer line needs a field name and a colon.") }
    name.append(byte)
    return nil
  }

  /// Compares a name that arrives byte by byte with those that are not allowed in a trailer (RFC 9110 §6.5.1), without storing it.
  private struct TrailerName {
    private static func forbidden(_ index: Int) -> StaticString {
      switch index {
      case 0: "content-length"
      case 1: "transfer-encoding"
      case 2: "trailer"
      case 3: "host"
      case 4: "authorization"
      case 5: "content-type"
      case 6: "content-encoding"
      default: "connection"
      }
    }

    private(set) var count: UInt16 = 0
    /// One bit for each name that begins with the bytes so far.
    private var candidates: UInt8 = 0xff

    mutating func append(_ byte: UInt8) {
      for index in 0..<8 where candidates & (1 << index) != 0 {
        let other = TrailerName.forbidden(index)
        if Int(count) >= other.utf8CodeUnitCount || byte | 0x20 != other.utf8Start[Int(count)] {
          candidates &= ~(1 << UInt8(index))
        }
      }
      count += 1
    }

    var isForbidden: Bool {
      (0..<8).contains { candidates & (1 << $0) != 0 && TrailerName.forbidden($0).utf8CodeUnitCount == Int(count) }
    }
  }
}
