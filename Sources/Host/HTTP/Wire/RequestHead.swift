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

  /// The bytes themselves; valid as long as the message stays where it is.
  @inline(__always)
  func bytes(in message: UnsafePointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: message + Int(start), count: Int(count))
  }
}

/// What a request's head says: offsets and numbers, no copies and no references. Means something only after
/// `.complete`.
struct RequestHead: Sendable {
  enum Method: UInt8, Sendable { case get, head, post, put, patch, delete, options, other }

  var method = Method.other
  var methodRange = ByteRange()
  /// As it stands in the request line.
  var target = ByteRange()
  /// Starts with `/`, or is `*` (with OPTIONS only). Percent-encoding and dot segments are untouched.
  var path = ByteRange()
  /// What follows the first `?`.
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

  // Values without the white space around them; empty when the field is absent.
  var authorization = ByteRange()
  var contentType = ByteRange()
  var accept = ByteRange()
  var prop = ByteRange()
  var requestID = ByteRange()
  var traceparent = ByteRange()
  var tracestate = ByteRange()
  /// Tells an empty field from none.
  var hasAuthorization = false
  var hasContentType = false

  /// With the empty line, and with empty lines that stood before the request.
  var headLength = 0

  /// A body follows the head.
  var hasBody: Bool { isChunked || contentLength > 0 }
}
