import AdapterAPI
import Synchronization

/// Looks whether the store answers, and tells health and metrics.
///
/// Nothing that serves requests depends on it: tokens are in memory, and whoever needs the store asks it and is told.
/// Threading: any thread.
final class StoreWatch: Sendable {
  /// How long between two looks while all is well, and while it is not.
  private static let calm = Duration.seconds(2)
  private static let worried = Duration.milliseconds(500)

  private struct State {
    /// Who finds the store failing: this watch, or keepers of tokens whose writing fails, under their lease holders' names.
    var complaints: Set<String> = []
    var looking: Task<Void, Never>?
  }

  private let store: Store
  private let clock: any GatewayClock
  private let executor: any TaskExecutor
  private let health: Health
  private let metrics: Metrics
  private let log: Log
  private let state = Mutex(State())

  init(
    _ store: Store, clock: any GatewayClock, executor: any TaskExecutor, health: Health, metrics: Metrics, log: Log
  ) {
    self.store = store
    self.clock = clock
    self.executor = executor
    self.health = health
    self.metrics = metrics
    self.log = log
    metrics.setStore(isUp: true)
  }

  /// The store does not answer, or does again.
  func report(isUp: Bool) { report(StoreWatch.itself, isUp: isUp) }

  private static let itself = "store"

  /// The store fails for that keeper, or works again for it, or the keeper has ended.
  func report(_ who: String, isUp: Bool) {
    state.withLock { state in
      let wasUp = state.complaints.isEmpty
      if isUp { state.complaints.remove(who) } else { state.complaints.insert(who) }
      let isUp = state.complaints.isEmpty
      guard wasUp != isUp else { return }
      metrics.setStore(isUp: isUp)
      if isUp { health.clear("store", "store_unavailable") } else { health.set("store", "store_unavailable") }
    }
  }

  /// Looks from now on, until `stop`.
  func start() {
    guard store.sharing != .process else { return }
    state.withLock { $0.looking = Task(executorPreference: executor) { [self] in await look() } }
  }

  func stop() { state.withLock { $0.looking?.cancel() } }

  private func look() async {
    var wasUp = state.withLock { !$0.complaints.contains(StoreWatch.itself) }
    while !Task.isCancelled {
      var error: StoreError?
      do throws(StoreError) { try await store.ping() } catch let failure { error = failure }
      if Task.isCancelled { return }
      if let error, wasUp { log.error("the store does not answer", [("detail", "\(error.message)")]) }
      if error == nil, !wasUp { log.info("the store answers again", []) }
      wasUp = error == nil
      report(isUp: wasUp)
      try? await clock.sleep(until: clock.now() + (wasUp ? StoreWatch.calm : StoreWatch.worried))
    }
  }
}
