/// What one request leaves in the access log: who asked what, how it ended, how long it took.
///
/// Never a header, a body, a token or a query: a stream's ticket travels in one.
struct AccessRecord: Sendable {
  /// The path is cut here.
  static let pathLimit = 256

  var requestID: String
  var method: String
  /// The configured path, or `unmatched`.
  var route: String
  /// The request target as it came; what follows `?` is left out.
  var path: [UInt8]
  var status: Int
  /// Bytes of the body that were sent.
  var bytes: Int
  var nanoseconds: Int64
  var remote: String
  var adapter: String?
  var operation: String?
  /// `sub` of the caller's JWT.
  var subject: String?
  /// `live`, `mock`, `cache` …, as in `X-Gateway-Source`.
  var source: String?
  var upstreamStatus: Int?
  var upstreamClass: UpstreamClass?

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
  }
}
