import AdapterAPI

/// The options of an HTTP server.
struct ServerOptions: Sendable {
  var limits = HTTPLimits()
  var timeouts = ServerTimeouts()
}

/// A server's timeouts in nanoseconds.
struct ServerTimeouts: Sendable {
  /// From a request's first byte to the end of its head.
  var header = Duration.seconds(10).nanoseconds
  /// Between two reads of a body.
  var body = Duration.seconds(10).nanoseconds
  /// Between two writes of a response.
  var send = Duration.seconds(30).nanoseconds
  /// Between two requests on a connection.
  var idle = Duration.seconds(60).nanoseconds
}
