import AdapterAPI
import Synchronization

/// Checks periodically whether the store responds, and reports it to health and metrics. Used on any thread.
///
/// Tokens and the catalogue have connections of their own, and each can fail alone: when other programs take all connections
/// of the role, or lock the file. No request depends on it: tokens are in memory, and a caller of the store sees its errors.
final class StoreWatch: Sendable {
  /// The time between two checks while the store is up, and while it is down.
  private static let upInterval = Duration.seconds(2)
  private static let downInterval = Duration.milliseconds(500)

  private struct State {
    /// The observers for which the store fails: this watch, and token keepers by the names of their lease holders.
    var failing: Set<String> = []
    var checking: [Task<Void, Never>] = []
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

  /// Reports what this watch has found.
  func report(isUp: Bool) { report(StoreWatch.itself, isUp: isUp) }

  private static let itself = "store"
  private static let catalogue = "catalogue"

  /// Reports what an observer has found. The store is up when it fails for none of them; an observer that ends reports it up.
  func report(_ observer: String, isUp: Bool) {
    state.withLock { state in
      let wasUp = state.failing.isEmpty
      if isUp { state.failing.remove(observer) } else { state.failing.insert(observer) }
      let isUp = state.failing.isEmpty
      guard wasUp != isUp else { return }
      metrics.setStore(isUp: isUp)
      if isUp { health.clear("store", "store_unavailable") } else { health.set("store", "store_unavailable") }
    }
  }

  /// Checks from now on, until `stop`. A store inside of this process needs no check.
  func start() {
    guard store.sharing != .process else { return }
    state.withLock { state in
      for (queue, observer) in [(StoreQueue.tokens, StoreWatch.itself), (.catalogue, StoreWatch.catalogue)] {
        state.checking.append(Task(executorPreference: executor) { [self] in await check(queue, observer) })
      }
    }
  }

  func stop() { state.withLock { for task in $0.checking { task.cancel() } } }

  private func check(_ queue: StoreQueue, _ observer: String) async {
    var wasUp = state.withLock { !$0.failing.contains(observer) }
    while !Task.isCancelled {
      var error: StoreError?
      do throws(StoreError) { try await store.check(queue) } catch let failure { error = failure }
      if Task.isCancelled { return }
      if let error, wasUp {
        log.error("the store does not respond", [("for", "\(queue)"), ("detail", "\(error.message)")])
      }
      if error == nil, !wasUp { log.info("the store responds again", [("for", "\(queue)")]) }
      wasUp = error == nil
      report(observer, isUp: wasUp)
      try? await clock.sleep(until: clock.now() + (wasUp ? StoreWatch.upInterval : StoreWatch.downInterval))
    }
  }
}
