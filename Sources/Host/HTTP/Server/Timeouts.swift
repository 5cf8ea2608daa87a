import AdapterAPI

/// The configured timeouts in nanoseconds, taken apart once instead of on every request.
struct ServerTimeouts {
  let header, body, send, idle: Int64

  init(_ listen: Configuration.Listen) {
    header = listen.headerTimeout.nanoseconds
    body = listen.bodyTimeout.nanoseconds
    send = listen.sendTimeout.nanoseconds
    idle = listen.idleTimeout.nanoseconds
  }
}
