import AdapterAPI

/// Learns of every request of an `UpstreamClient` whether the upstream responded to it. Called on the loops.
struct UpstreamObserver: Sendable {
  /// The head of a response has come, with this status.
  var responded: @Sendable (_ status: Int, _ now: Instant) -> Void
  /// No response has come, or not all of its head; `began` is the time of the request.
  var failed: @Sendable (_ failure: UpstreamFailure, _ began: Instant) -> Void
}
