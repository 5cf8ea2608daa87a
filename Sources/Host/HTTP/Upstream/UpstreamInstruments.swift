/// The counters of an `UpstreamClient`. They outlive it, because a reload must not set them back.
struct UpstreamInstruments: Sendable {
  var traffic = Traffic()
  /// The time that requests waited for a permit, of those that had to wait.
  var queueWait = DurationHistogram()
}
