/// The largest allowed head of a request.
struct HTTPLimits: Sendable, Equatable {
  /// The request line without its CRLF, in bytes.
  var maxRequestLine: Int
  /// The whole head with the request line and the empty line, in bytes.
  var maxHeaderSize: Int
  var maxHeaderFields: Int

  init(maxRequestLine: Int = 8 << 10, maxHeaderSize: Int = 16 << 10, maxHeaderFields: Int = 100) {
    self.maxRequestLine = maxRequestLine
    self.maxHeaderSize = maxHeaderSize
    self.maxHeaderFields = maxHeaderFields
  }
}
