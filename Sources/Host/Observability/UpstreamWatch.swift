import AdapterAPI
import Synchronization

/// Whether the upstream of one adapter instance can be reached, for `/readyz`, the metrics and the log. Used on any thread; a call that
/// gets a response takes no lock.
///
/// The upstream counts as unreachable after three calls in a row that got no response, and as reachable again after the next response.
/// As long as it has never responded, the first such call is enough. A call that began before the last response says nothing new.
final class UpstreamWatch: Sendable {
  /// The number of calls in a row without a response that makes the upstream unreachable.
  static let tolerance = 3
  private static let code = "upstream_unreachable"

  private struct State {
    var isDown = false
    var hasEnded = false
  }

  private let metrics: AdapterMetrics
  private let reporter: Health.Reporter
  private let log: any AdapterLog
  /// The calls in a row without a response.
  private let failures = Atomic<Int>(0)
  /// The time of the last response, in monotonic nanoseconds; `.min` before the first one.
  private let lastResponse = Atomic<Int64>(.min)
  private let state = Mutex(State())

  init(metrics: AdapterMetrics, reporter: Health.Reporter, log: any AdapterLog) {
    self.metrics = metrics
    self.reporter = reporter
    self.log = log
  }

  /// The instance is in force. Whether its upstream can be reached is not known yet, and it counts as reachable.
  func begin() { metrics.setUp(true) }

  /// The instance is no longer in force: its reason is removed, and later calls change nothing.
  func end() {
    state.withLock { $0.hasEnded = true }
    reporter.end()
  }

  /// Records that the upstream has responded to a call.
  ///
  /// - Parameter address: the address without a path, for the log.
  func responded(_ address: String, at now: Instant) {
    lastResponse.store(now.nanoseconds, ordering: .sequentiallyConsistent)
    guard failures.load(ordering: .sequentiallyConsistent) != 0 else { return }
    failures.store(0, ordering: .sequentiallyConsistent)
    update(address, "")
  }

  /// Records that the upstream has not responded to a call.
  ///
  /// - Parameters:
  ///   - address: the address without a path, for the log.
  ///   - began: when the call began.
  func failed(_ address: String, _ detail: String, began: Instant) {
    guard began.nanoseconds >= lastResponse.load(ordering: .sequentiallyConsistent) else { return }
    failures.add(1, ordering: .sequentiallyConsistent)
    update(address, detail)
  }

  /// Reports a change. The numbers are read under the lock: of concurrent calls, the one that comes last finds them all counted.
  private func update(_ address: String, _ detail: String) {
    state.withLock { state in
      let isKnown = lastResponse.load(ordering: .sequentiallyConsistent) != .min
      let isDown = failures.load(ordering: .sequentiallyConsistent) >= (isKnown ? UpstreamWatch.tolerance : 1)
      guard isDown != state.isDown, !state.hasEnded else { return }
      state.isDown = isDown
      metrics.setUp(!isDown)
      if isDown {
        reporter.set(UpstreamWatch.code)
        log.log(.error, "the upstream can't be reached", [("address", address), ("detail", detail)])
      } else {
        reporter.clear(UpstreamWatch.code)
        log.log(.info, "the upstream can be reached again", [("address", address)])
      }
    }
  }
}
