/// The framing and status of an upstream's response, as numbers. Valid only after `.complete`.
struct ResponseHead: Sendable {
  var status = 0
  /// 0 or 1.
  var minorVersion: UInt8 = 1
  /// The connection may be used again after the body; false where the body ends with the connection.
  var keepAlive = true
  /// -1: there is no Content-Length.
  var contentLength = -1
  var isChunked = false
  /// There is a Content-Encoding other than identity.
  var isEncoded = false
  /// In bytes, with the empty line.
  var headLength = 0

  /// An interim response is skipped; the final one follows (RFC 9110 §15.2).
  var isInterim: Bool { status < 200 }
  /// The response has no body, whatever its fields say (RFC 9112 §6.3).
  var isBodyless: Bool { status < 200 || status == 204 || status == 304 }
  /// The body has no length of its own: it ends when the connection does.
  var endsAtClose: Bool { !isBodyless && !isChunked && contentLength < 0 }
}
