import AdapterAPI

extension ServerOptions {
  /// The server's options as the section `listen` gives them.
  init(_ listen: Configuration.Listen) {
    self.init(
      limits: HTTPLimits(
        maxRequestLine: listen.maxRequestLine, maxHeaderSize: listen.maxHeaderSize,
        maxHeaderFields: listen.maxHeaderFields),
      timeouts: ServerTimeouts(
        header: listen.headerTimeout.nanoseconds, body: listen.bodyTimeout.nanoseconds,
        send: listen.sendTimeout.nanoseconds, idle: listen.idleTimeout.nanoseconds))
  }
}

extension ListeningSocket {
  convenience init(_ address: Configuration.Address) throws(BindError) {
    try self.init(host: address.host, port: address.port)
  }
}
