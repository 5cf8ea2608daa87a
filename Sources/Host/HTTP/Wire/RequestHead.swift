/// A part of a message, as offsets from the first byte that the parser was given.
struct ByteRange: Sendable, Equatable {
  var start: UInt32 = 0
  var count: UInt32 = 0

  init() {}

  /// From one offset up to another.
  @inline(__always)
  init(_ start: Int, _ end: Int) {
    self.start = UInt32(truncatingIfNeeded: start)
    count = UInt32(truncatingIfNeeded: end &- start)
  }

  @inline(__always) var isEmpty: Bool { count == 0 }
  @inline(__always) var end: Int { Int(start) &+ Int(count) }

  /// Returns the bytes; valid as long as the message stays in its place.
  @inline(__always)
  func bytes(in message: UnsafePointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: message + Int(start), count: Int(count))
  }
}

/// The contents of a request's head: offsets and numbers, no copies and no references. Valid after `.complete` only.
struct RequestHead: Sendable {
  enum Method: UInt8, Sendable { case get, head, post, put, patch, delete, options, other }

  var method = Method.other
  var methodRange = ByteRange()
  /// The bytes as they stand in the request line.
  var target = ByteRange()
  /// Starts with `/`, or is `*` (with OPTIONS only). Percent-encoding and dot segments are untouched.
  var path = ByteRange()
  /// The part behind the first `?`.
  var query = ByteRange()
  /// There is a `?`, though nothing may follow it.
  var hasQuery = false
  /// 0 or 1; a later minor version speaks as 1 does (RFC 9110 §2.5).
  var minorVersion: UInt8 = 1
  /// The client wants another request on this connection.
  var keepAlive = true
  /// -1: none was given.
  var contentLength = -1
  var isChunked = false
  /// The client waits for `100 Continue` before it sends the body.
  var expectsContinue = false
  /// The body has a content coding other than `identity`.
  var isEncoded = false

  /// The values of the known fields, by raw value.
  private var values = InlineArray<16, ByteRange>(repeating: ByteRange())

  /// The value of a field that the parser does not use itself, without the white space around it; empty when the field is absent.
  @inline(__always)
  subscript(field: KnownField) -> ByteRange {
    get { values[Int(field.rawValue)] }
    set { values[Int(field.rawValue)] = newValue }
  }

  /// The field is there, although its value may be empty.
  func has(_ field: KnownField) -> Bool { self[field].start > 0 }

  /// With the empty line, and with empty lines that stood before the request.
  var headLength = 0

  /// A body follows the head.
  var hasBody: Bool { isChunked || contentLength > 0 }
}
