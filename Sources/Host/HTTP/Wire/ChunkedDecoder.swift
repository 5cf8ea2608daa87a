/// Takes the payload out of a chunked body (RFC 9112 §7.1), as the bytes arrive, without keeping any.
///
/// Nothing here is lenient: sizes are hexadecimal digits and nothing else, lines end in CRLF, extensions and trailers
/// are bounded. Every byte is decided on its own, so the verdict does not depend on the pieces.
struct ChunkedDecoder {
  enum Step: Equatable {
    /// Payload inside the buffer; `offset` is behind it already.
    case payload(start: Int, count: Int)
    case needMore
    /// `offset` is at the first byte behind the message.
    case finished
    case failed(HTTPFault)
  }

  /// Bytes of chunk extensions in one body, all taken together (RFC 9112 §7.1.1).
  static let maxExtensions = 1 << 10
  static let maxTrailerSize = 16 << 10
  static let maxTrailerLines = 100
  /// More digits than any size below needs.
  static let maxSizeDigits = 16
  static let maxChunk = 1 << 60

  private enum Stage: UInt8 {
    case firstDigit, digits, chunkExtension, quoted, escaped, sizeLF
    case data, dataCR, dataLF
    case lineStart, trailerName, trailerValue, trailerLF, lastLF, finished
  }

  private var stage = Stage.firstDigit
  private var digits: UInt8 = 0
  /// Of the current chunk; what is left of it, in the end.
  private var size = 0
  private var extensionBytes: UInt16 = 0
  private var trailerBytes: UInt16 = 0
  private var trailerLines: UInt8 = 0
  private var name = TrailerName()

  init() {}

  /// How much of the current chunk is still to come, as its size line said.
  var announced: Int { stage == .data ? size : 0 }

  /// Goes on from `offset`. Call it until it says something else than `.payload`; then with the next bytes after
  /// `.needMore`.
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
    case .firstDigit, .digits: return sizeByte(byte)
    case .chunkExtension, .quoted, .escaped: return extensionByte(byte)
    case .sizeLF:
      guard byte == 10 else { return .bareCR }
      stage = size > 0 ? .data : .lineStart
    case .dataCR:
      guard byte == 13 else { return .bad("A chunk is not followed by CRLF, or is longer than its size says.") }
      stage = .dataLF
    case .dataLF:
      guard byte == 10 else { return .bareCR }
      stage = .firstDigit
    case .lineStart, .trailerName, .trailerValue, .trailerLF: return trailerByte(byte)
    case .lastLF:
      guard byte == 10 else { return .bareCR }
      stage = .finished
    case .data, .finished: break
    }
    return nil
  }

  @inline(__always)
  private mutating func sizeByte(_ byte: UInt8) -> HTTPFault? {
    if let digit = ChunkedDecoder.hexDigit(byte) {
      if stage == .firstDigit {
        stage = .digits
        digits = 0
        size = 0
      }
      guard digits < ChunkedDecoder.maxSizeDigits else { return .bad("A chunk size has more than 16 digits.") }
      digits += 1
      // Asked before the shift, so that nothing overflows.
      guard size <= (ChunkedDecoder.maxChunk - digit) >> 4 else {
        return HTTPFault(.bodyTooLarge, "A chunk size is larger than any body.")
      }
      size = size << 4 | digit
      return nil
    }
    guard stage == .digits else { return .badChunkSize }
    switch byte {
    case 13: stage = .sizeLF
    case 59:
      stage = .chunkExtension
      return countExtension()
    case 10: return .bad("A chunk-size line ends in LF alone; lines end in CRLF.")
    default: return .badChunkSize
    }
    return nil
  }

  private mutating func extensionByte(_ byte: UInt8) -> HTTPFault? {
    switch (stage, byte) {
    case (.chunkExtension, 13):
      stage = .sizeLF
      return nil
    case (_, 9), (_, 32...126):
      switch (stage, byte) {
      case (.chunkExtension, 34): stage = .quoted
      case (.quoted, 34), (.escaped, _): stage = stage == .escaped ? .quoted : .chunkExtension
      case (.quoted, 92): stage = .escaped
      default: break
      }
      return countExtension()
    default: return .bad("A chunk extension has a character that may not stand there.")
    }
  }

  private mutating func countExtension() -> HTTPFault? {
    extensionBytes += 1
    return extensionBytes > ChunkedDecoder.maxExtensions ? .bad("The chunk extensions are larger than allowed.") : nil
  }

  @inline(__always)
  private static func hexDigit(_ byte: UInt8) -> Int? {
    switch byte {
    case 48...57: Int(byte) - 48
    case 65...70: Int(byte) - 55
    case 97...102: Int(byte) - 87
    default: nil
    }
  }
}

// Trailer fields are checked as any field is, and dropped (RFC 9112 §7.1.2).
extension ChunkedDecoder {
  private mutating func trailerByte(_ byte: UInt8) -> HTTPFault? {
    trailerBytes += 1
    guard trailerBytes <= ChunkedDecoder.maxTrailerSize else {
      return HTTPFault(.headersTooLarge, "The trailer section is larger than allowed.")
    }
    switch stage {
    case .lineStart:
      if byte == 13 {
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
      if byte == 13 {
        stage = .trailerLF
      } else if (byte < 32 && byte != 9) || byte == 127 {
        return .bad("A trailer field has a control character, which may not stand there.")
      }
    default:
      guard byte == 10 else { return .bareCR }
      stage = .lineStart
    }
    return nil
  }

  private mutating func nameByte(_ byte: UInt8) -> HTTPFault? {
    if byte == 58, name.count > 0 {
      stage = .trailerValue
      return name.isForbidden ? .bad("A trailer field may not say how the message is framed, sent or read.") : nil
    }
    guard ByteSet.token.contains(byte) else { return .bad("A trailer line needs a field name and a colon.") }
    name.append(byte)
    return nil
  }

  /// Compares a name that arrives byte by byte with those that no trailer may have (RFC 9110 §6.5.1), without keeping
  /// it.
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
    /// One bit for each name that the bytes so far agree with.
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
