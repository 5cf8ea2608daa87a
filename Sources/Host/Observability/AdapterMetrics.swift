import AdapterAPI

/// The outcome of an upstream call, as metrics and logs name it.
enum UpstreamClass: String, Sendable, CaseIterable {
  case ok
  case businessError = "business_error"
  case rejectedToken = "rejected_token"
  case timeout, connect, malformed
  /// Not sent: no permit within the limits of the queue, or no call left in the budget.
  case shed
}

/// The outcome of a token exchange.
enum RefreshOutcome: String, Sendable, CaseIterable { case refreshed, authorized, rejected, failed, detached }

/// The outcome of a write; `unknown` if a byte of it was sent and no response arrived.
enum WriteOutcome: String, Sendable, CaseIterable {
  case ok
  case businessError = "business_error"
  case failed, unknown
}

/// The way in which a request needed no upstream call of its own.
enum CoalescedKind: String, Sendable, CaseIterable { case identical, merged, cached }

/// The values of `gateway_breaker_state`.
enum BreakerState: Int, Sendable { case closed = 0, halfOpen = 1, open = 2 }

/// The metrics of one adapter instance. Used on any thread, without locks. Obtained once, when the adapters are built.
final class AdapterMetrics: Sendable {
  let adapter: String
  /// Upstream calls in flight.
  let inFlight = Gauge()
  /// The bytes of the connections to the upstream.
  let traffic = Traffic()
  /// The time that calls waited in the queue, of those that had to wait.
  let queueWait = DurationHistogram()

  private let requests = CounterRow(Operation.allCases.count * UpstreamClass.allCases.count)
  private let durations = Operation.allCases.map { _ in DurationHistogram() }
  private let refreshes = CounterRow(RefreshOutcome.allCases.count)
  private let writes = CounterRow(Operation.allCases.count * WriteOutcome.allCases.count)
  private let coalesced = CounterRow(CoalescedKind.allCases.count)
  private let breaker = Gauge(BreakerState.closed.rawValue)
  private let up = Gauge(1)
  /// Milliseconds since the epoch; 0 without a token.
  private let expiry = Gauge()
  private let queue = Gauge()
  private let idle = Gauge()
  private let active = Gauge()
  /// The calls left per minute, hour and day; -1 without a limit.
  private let budgets = [Gauge(-1), Gauge(-1), Gauge(-1)]

  init(adapter: String) { self.adapter = adapter }

  /// Counts one upstream call. `nanoseconds` is nil for a call that was not sent.
  func record(_ operation: Operation, _ outcome: UpstreamClass, nanoseconds: Int64?) {
    requests.add(at: operation.index * UpstreamClass.allCases.count + outcome.index)
    if let nanoseconds { durations[operation.index].observe(nanoseconds: nanoseconds) }
  }

  func recordRefresh(_ outcome: RefreshOutcome) { refreshes.add(at: outcome.index) }

  func recordWrite(_ operation: Operation, _ outcome: WriteOutcome) {
    writes.add(at: operation.index * WriteOutcome.allCases.count + outcome.index)
  }

  func recordCoalesced(_ kind: CoalescedKind, requests: Int = 1) {
    coalesced.add(UInt64(max(requests, 0)), at: kind.index)
  }

  func setBreaker(_ state: BreakerState) { breaker.set(state.rawValue) }

  /// Sets whether the upstream can be reached.
  func setUp(_ isUp: Bool) { up.set(isUp ? 1 : 0) }

  /// Sets the time at which the token in use expires, in milliseconds since the epoch; nil without a token.
  func setTokenExpiry(_ milliseconds: Int64?) { expiry.set(Int(milliseconds ?? 0)) }

  func setQueueLength(_ count: Int) { queue.set(count) }

  func setConnections(idle: Int, active: Int) {
    self.idle.set(idle)
    self.active.set(active)
  }

  /// Sets the calls that are left in the budget; nil without a limit.
  func setBudget(minute: Int?, hour: Int?, day: Int?) {
    for (gauge, left) in zip(budgets, [minute, hour, day]) { gauge.set(left ?? -1) }
  }

  func requestCount(_ operation: Operation, _ outcome: UpstreamClass) -> UInt64 {
    requests[operation.index * UpstreamClass.allCases.count + outcome.index]
  }
  func duration(_ operation: Operation) -> DurationHistogram { durations[operation.index] }
  func refreshCount(_ outcome: RefreshOutcome) -> UInt64 { refreshes[outcome.index] }
  func writeCount(_ operation: Operation, _ outcome: WriteOutcome) -> UInt64 {
    writes[operation.index * WriteOutcome.allCases.count + outcome.index]
  }
  func coalescedCount(_ kind: CoalescedKind) -> UInt64 { coalesced[kind.index] }
  var breakerState: Int { breaker.value }
  var isUp: Bool { up.value == 1 }
  var queueLength: Int { queue.value }
  var connectionCounts: [(state: String, count: Int)] { [("idle", idle.value), ("active", active.value)] }
  var budgetsRemaining: [(window: String, count: Int)] {
    zip(["minute", "hour", "day"], budgets).filter { $1.value >= 0 }.map { ($0, $1.value) }
  }
  var tokenExpiry: Int64? { expiry.value == 0 ? nil : Int64(expiry.value) }
}

extension Operation {
  /// The index in a row of counters: the position in `allCases`, without a search.
  fileprivate var index: Int {
    switch self {
    case .values: 0
    case .history: 1
    case .set: 2
    case .forceSet: 3
    case .alarms: 4
    case .alarmConfigs: 5
    }
  }
}

extension CaseIterable where Self: Equatable, AllCases.Index == Int {
  /// The index in a row of counters.
  fileprivate var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
