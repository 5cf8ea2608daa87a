/// The access log entry of one request.
///
/// It never holds a header, a body, a token or a query string, because a query string may carry a ticket.
struct AccessRecord: Sendable {
  /// The number of bytes after which the path is cut.
  static let pathLimit = 256

  var requestID: String
  /// The method as it was sent; `other` for bytes that are not a request.
  var method: String
  /// The configured path, or `unmatched`.
  var route: String
  /// The request target as it was received. The log shows the part before `?`. Empty for bytes that are not a request.
  var path: [UInt8]
  var status: Int
  /// The number of body bytes sent.
  var bytes: Int
  var nanoseconds: Int64
  var remote: String
  var adapter: String?
  var operation: String?
  /// The claim `sub` of the caller's JWT.
  var subject: String?
  /// The value of `X-Gateway-Source`: `live`, `mock`, `cache` …
  var source: String?
  var upstreamStatus: Int?
  var upstreamClass: UpstreamClass?
  /// The code of the error, where the gateway itself responded with one or the response broke off.
  var code: String?
  /// The reason that the caller is not told: why its token was refused, or what the bytes were that are no request.
  var reason: String?

  init(
    requestID: String, method: String, route: String, path: [UInt8], status: Int, bytes: Int, nanoseconds: Int64,
    remote: String
  ) {
    self.requestID = requestID
    self.method = method
    self.route = route
    self.path = path
    self.status = status
    self.bytes = bytes
    self.nanoseconds = nanoseconds
    self.remote = remote
  }

  func add(to line: inout LogLine) {
    line.add("requestId", requestID)
    line.add("method", method)
    line.add("route", route)
    let query = path.firstIndex(of: 0x3F)
    line.add("path", .bytes(query.map { Array(path[..<$0]) } ?? path, limit: AccessRecord.pathLimit))
    line.add("status", .int(status))
    line.add("bytes", .int(bytes))
    line.add("durationMs", .milliseconds(nanoseconds: nanoseconds))
    if let adapter { line.add("adapter", adapter) }
    if let operation { line.add("operation", operation) }
    if let subject { line.add("subject", subject) }
    line.add("remote", remote)
    if let source { line.add("source", source) }
    if let upstreamStatus { line.add("upstreamStatus", .int(upstreamStatus)) }
    if let upstreamClass { line.add("upstreamClass", upstreamClass.rawValue) }
    if let code { line.add("code", code) }
    if let reason { line.add("reason", reason) }
  }
}
