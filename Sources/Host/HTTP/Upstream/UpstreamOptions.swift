import AdapterAPI

/// The options of an `UpstreamClient`: timeouts and limits.
struct UpstreamOptions: Sendable, Equatable {
  /// The longest time for opening a connection.
  var connectTimeout = Duration.seconds(2)
  /// The longest silence of the upstream before the first byte of a response, and between the pieces of a streamed body.
  var firstByteTimeout = Duration.seconds(10)
  /// The longest time for a request and its response, without the pauses of a slow reader of a streamed body.
  var totalTimeout = Duration.seconds(30)
  /// The longest time that a request waits for a permit.
  var queueWait = Duration.seconds(5)
  /// The largest number of requests that wait for a permit.
  var queueSize = 4096
  /// The number of times that a read is sent again after a connection failed before the first byte of the response.
  var readRetries = 1
  /// The time after which the upstream's name is looked up again.
  var dnsRefresh = Duration.seconds(30)
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
