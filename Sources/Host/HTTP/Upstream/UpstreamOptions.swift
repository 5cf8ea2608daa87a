import AdapterAPI

/// The options of an `UpstreamClient`: timeouts and limits.
struct UpstreamOptions: Sendable, Equatable {
  /// How long opening a connection may take.
  var connectTimeout = Duration.seconds(2)
  /// How long the upstream may be silent: before the first byte of a response, and between the pieces of a streamed body.
  var firstByteTimeout = Duration.seconds(10)
  /// How long a request and its response may take, apart from the pauses of a reader that takes a streamed body slowly.
  var totalTimeout = Duration.seconds(30)
  /// How long a request may wait for a permit.
  var queueWait = Duration.seconds(1)
  /// How many requests may wait for a permit.
  var queueSize = 64
  /// How often a read is sent again after a connection failed before the first byte of the response.
  var readRetries = 1
  /// The largest response head, with the status line, in bytes.
  var maxResponseHead = 32 << 10
  /// The largest response body in bytes; 0 for no limit.
  var maxResponseBody = 64 << 20
  /// Response fields that carry the vendor's credentials and never reach the caller.
  var credentialFields = FieldNames([])
}

/// The timeouts of `UpstreamOptions` in nanoseconds, converted once instead of for every request.
struct UpstreamTimeouts: Sendable {
  let connect, firstByte, total, queueWait: Int64

  init(_ options: UpstreamOptions) {
    connect = options.connectTimeout.nanoseconds
    firstByte = options.firstByteTimeout.nanoseconds
    total = options.totalTimeout.nanoseconds
    queueWait = options.queueWait.nanoseconds
  }
}
