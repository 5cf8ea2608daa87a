import AdapterAPI
import Synchronization

/// Keeps the upstream token of one adapter: renews it ahead of need, once for all callers, and stores it.
///
/// `TokenState` decides; this class acts. It calls the adapter and the store from its own tasks, so that an exchange does not end
/// with the caller that caused it, and resumes the waiting callers. A caller that finds a good token takes one uncontended lock
/// and never suspends. An event loop that keeps a copy (`current`) and compares `generation` does not even lock.
final class TokenKeeper: Sendable {
  /// A copy of the current token. It is stale from `refreshAt` on, and as soon as the keeper's `generation` differs.
  struct Current: Sendable {
    let token: Token
    let expires: Instant
    let refreshAt: Instant
    let generation: Int
  }

  struct Status: Sendable, Equatable {
    struct Reason: Sendable, Equatable {
      /// `token_refresh_failing` or `store_unavailable`.
      let code: String
      /// Milliseconds since the epoch.
      let since: Int64
    }

    /// Of the current token, in seconds since the epoch; nil while there is none.
    var expiresAtSeconds: Int64?
    /// The token was obtained without the lease while the store was unavailable, and only this process uses it.
    var isDetached = false
    var degraded: [Reason]
  }

  private typealias Waiter = CheckedContinuation<Result<Token, KeeperError>, Never>

  private struct Guarded {
    var state: TokenState
    var adapter: any Adapter
    /// Counts the exchanges. They are never refused: without a token there is no call at all.
    var budget: BudgetKeeper?
    /// The number of adapter instances that the keeper serves.
    var users = 1
    var waiters: [TokenWaiters.ID: Waiter] = [:]
    var stops: [CheckedContinuation<Void, Never>] = []
    var exchange: Task<Void, Never>?
    var timer: Task<Void, Never>?
    var timerDue = Instant.distantFuture
    var timerNumber = 0
    var nextID: TokenWaiters.ID = 0
  }

  private let key: TokenKey
  private let holder: String
  private let store: any TokenStore
  private let clock: any GatewayClock
  private let executor: (any TaskExecutor)?
  private let log: any AdapterLog
  private let events: @Sendable (TokenEvent) -> Void
  private let guarded: Mutex<Guarded>
  private let published = Atomic<Int>(0)

  var name: String { key.adapter }
  var upstream: String { key.upstream }

  /// - Parameters:
  ///   - holder: a name that no other keeper of the same store uses.
  ///   - executor: runs the keeper's tasks; nil: the global executor.
  ///   - events: called outside of any lock, on any thread.
  init(
    adapter: any Adapter, key: TokenKey, holder: String, store: any TokenStore, window: Duration,
    exchangeTimeout: Duration, budget: BudgetKeeper? = nil, clock: any GatewayClock,
    executor: (any TaskExecutor)?, log: any AdapterLog, events: @escaping @Sendable (TokenEvent) -> Void,
    jitter: @escaping @Sendable (Duration) -> Duration = TokenTiming.random
  ) {
    self.key = key
    self.holder = holder
    self.store = store
    self.clock = clock
    self.executor = executor
    self.log = log
    self.events = events
    let timing = TokenTiming(window: window, exchangeTimeout: exchangeTimeout, jitter: jitter)
    guarded = Mutex(
      Guarded(state: TokenState(timing: timing, sharing: store.sharing), adapter: adapter, budget: budget))
  }

  deinit { guarded.withLock { $0.timer?.cancel() } }

  /// Loads the stored pair, for which callers wait, and starts to renew ahead of need. Without a pair it authorizes when the first
  /// caller requests a token, or after `fetch`.
  func start() { update { state, time in state.start(at: time) } }

  /// Obtains the first token without a caller, in the exchange that a caller would have started. Repeats a failed exchange, later each
  /// time, until there is a token.
  func fetch() { update { state, time in state.fetch(at: time) } }

  /// Serves another instance of the same adapter too, and makes exchanges with it from now on.
  ///
  /// A reload may change an adapter's settings and not its upstream. Two keepers of one pair would both refresh it, and each
  /// could void the other's result.
  func serve(_ adapter: any Adapter, window: Duration, exchangeTimeout: Duration, budget: BudgetKeeper? = nil) {
    guarded.withLock { guarded in
      guarded.adapter = adapter
      guarded.budget = budget
      guarded.state.timing.window = max(window, .zero)
      guarded.state.timing.exchangeTimeout = exchangeTimeout
      guarded.users += 1
    }
  }

  /// Ends the service for one instance. Stops the keeper after the last one.
  func leave() async {
    let isLast = guarded.withLock { guarded in
      guarded.users -= 1
      return guarded.users == 0
    }
    if isLast { await stop() }
  }

  /// Allows no new exchange. Returns when the exchange under way has ended and its pair is stored.
  func stop() async {
    await withCheckedContinuation { continuation in
      guarded.withLock { $0.stops.append(continuation) }
      update { state, time in state.stop(at: time) }
    }
  }

  // MARK: Tokens

  /// Changes with every new token, and when the current one is refused.
  var generation: Int { published.load(ordering: .acquiring) }

  /// The current token, unless it has expired or was refused.
  var current: Current? {
    let now = clock.now()
    return guarded.withLock { guarded in
      guard let current = guarded.state.current, current.isUsable(now) else { return nil }
      // The generation is changed under the lock too, so it belongs to this token.
      return Current(
        token: current.token, expires: current.expires, refreshAt: current.refreshAt,
        generation: published.load(ordering: .acquiring))
    }
  }

  /// Returns a token that is good for a call.
  ///
  /// Outside the renewal window it returns at once. Inside, it waits at most a second for the next token. Without a good token it
  /// waits for one until the deadline.
  ///
  /// - Throws: `.noToken` when the exchange fails, or at once while the next exchange has to wait; `.deadline`; `.cancelled` when
  ///   the task is cancelled; `.stopped`.
  func token(deadline: Instant) async throws(KeeperError) -> Token {
    let now = clock.now()
    if let token = guarded.withLock({ $0.state.ready(now) }) { return token }
    return try await wait { state, id, time in state.ask(id, deadline: deadline, at: time) }
  }

  /// Returns another token after the upstream refused `token` without acting. All callers that report the same token share one
  /// exchange. To be called once per request: when the second token is refused too, the response is 502.
  ///
  /// - Throws: as `token(deadline:)`.
  func replace(rejected token: Token, deadline: Instant) async throws(KeeperError) -> Token {
    try await wait { state, id, time in state.replace(token, id, deadline: deadline, at: time) }
  }

  /// Reports that the upstream accepted `token`. Once per `generation` is enough. The report distinguishes an upstream that ends
  /// tokens early from one that refuses every token it issues.
  func accepted(_ token: Token) { guarded.withLock { $0.state.accept(token) } }

  /// Reports that another process announced that version of the pair. The announcement is not trusted; the row is read.
  func noticed(version: Int64) { update { state, time in state.noticed(version, at: time) } }

  func status() -> Status {
    let now = clock.now()
    return guarded.withLock { guarded in
      let state = guarded.state
      var reasons: [Status.Reason] = []
      if let since = state.refusals.failingSince {
        reasons.append(Status.Reason(code: "token_refresh_failing", since: since))
      }
      if let since = state.work.downSince { reasons.append(Status.Reason(code: "store_unavailable", since: since)) }
      let current = state.current.flatMap { $0.isUsable(now) ? $0 : nil }
      return Status(
        expiresAtSeconds: current.map { $0.token.expiresAt / 1000 }, isDetached: current?.isDetached ?? false,
        degraded: reasons)
    }
  }

  private func wait(
    _ ask: @Sendable (inout TokenState, TokenWaiters.ID, ClockReading) -> TokenState.Decision
  ) async throws(KeeperError) -> Token {
    let id = guarded.withLock { guarded in
      guarded.nextID &+= 1
      return guarded.nextID
    }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: Waiter) in
        // Entered before the state is asked, so that a `resume` action finds it.
        guarded.withLock { $0.waiters[id] = continuation }
        switch update({ state, time in ask(&state, id, time) }) {
        case .wait: if Task.isCancelled { cancel(id) }
        case .token(let token): take(id)?.resume(returning: .success(token))
        case .fail(let error): take(id)?.resume(returning: .failure(error))
        }
      }
    } onCancel: {
      cancel(id)
    }
    return try result.get()
  }

  private func cancel(_ id: TokenWaiters.ID) { update { state, _ in _ = state.cancel(id) } }

  private func take(_ id: TokenWaiters.ID) -> Waiter? { guarded.withLock { $0.waiters.removeValue(forKey: id) } }

  // MARK: Actions

  /// The part of the actions that is carried out after the lock is released.
  private struct Outside {
    var resumptions: [(Waiter, Result<Token, KeeperError>)] = []
    var stops: [CheckedContinuation<Void, Never>] = []
    var events: [TokenEvent] = []
    var lines: [(level: LogLevel, message: StaticString, detail: String)] = []
  }

  /// Changes the state, and carries out the actions that follow.
  @discardableResult
  private func update<Value: Sendable>(_ change: (inout TokenState, ClockReading) -> Value) -> Value {
    let time = ClockReading(now: clock.now(), wall: clock.wall())
    var outside = Outside()
    let value = guarded.withLock { guarded in
      let value = change(&guarded.state, time)
      for action in guarded.state.takeActions() { perform(action, &guarded, &outside) }
      arm(&guarded)
      return value
    }
    for line in outside.lines {
      let key: StaticString = "detail"
      log.log(line.level, line.message, line.detail.isEmpty ? [] : [(key: key, value: line.detail)])
    }
    for event in outside.events { events(event) }
    for (waiter, result) in outside.resumptions { waiter.resume(returning: result) }
    for stop in outside.stops { stop.resume() }
    return value
  }

  private func perform(_ action: TokenState.Action, _ guarded: inout Guarded, _ outside: inout Outside) {
    let (store, key, holder, lease) = (store, key, holder, TokenTiming.lease)
    switch action {
    case .load: run({ () throws(StoreError) in try await store.load(key) }, { $0.loaded($1, at: $2) })
    case .claim(let seen):
      run(
        { () throws(StoreError) in try await store.claim(key, holder: holder, seen: seen, for: lease) },
        { $0.claimed($1, at: $2) })
    case .extend:
      run(
        { () throws(StoreError) in try await store.extend(key, holder: holder, for: lease) },
        { $0.extended($1, at: $2) })
    case .release:
      run({ () throws(StoreError) in try await store.release(key, holder: holder) }, { $0.released($1, at: $2) })
    case .save(let token, let old):
      run(
        { () throws(StoreError) in try await store.save(token, key, holder: holder, replacing: old) },
        { $0.saved($1, of: token, at: $2) })
    case .exchange(let current, let deadline):
      let (adapter, budget) = (guarded.adapter, guarded.budget)
      guarded.exchange = run(
        { () throws(AdapterError) in
          budget?.count()
          return try await adapter.refresh(current, deadline: deadline)
        }, { $0.exchanged($1, at: $2) })
    case .cancelExchange: guarded.exchange?.cancel()
    case .resume(let ids, let result):
      for id in ids {
        if let waiter = guarded.waiters.removeValue(forKey: id) { outside.resumptions.append((waiter, result)) }
      }
    case .publish: published.add(1, ordering: .releasing)
    case .emit(let event): outside.events.append(event)
    case .log(let level, let message, let detail): outside.lines.append((level, message, detail))
    case .stopped:
      outside.events.append(.ended)
      outside.stops += guarded.stops
      guarded.stops.removeAll()
    }
  }

  /// Runs an operation in a task of the keeper's own, and reports its result to the state.
  @discardableResult
  private func run<Value: Sendable, Failure: Error>(
    _ operation: @escaping @Sendable () async throws(Failure) -> Value,
    _ report: @escaping @Sendable (inout TokenState, Result<Value, Failure>, ClockReading) -> Void
  ) -> Task<Void, Never> {
    Task(executorPreference: executor) {
      let result: Result<Value, Failure>
      do throws(Failure) { result = .success(try await operation()) } catch { result = .failure(error) }
      self.update { state, time in report(&state, result, time) }
    }
  }

  // MARK: The timer

  /// Keeps one sleeping task for the next alarm. A later alarm leaves an earlier one standing.
  private func arm(_ guarded: inout Guarded) {
    guard let wake = guarded.state.wake else {
      guarded.timer?.cancel()
      guarded.timer = nil
      guarded.timerDue = .distantFuture
      return
    }
    if guarded.timer != nil, guarded.timerDue <= wake { return }
    guarded.timer?.cancel()
    guarded.timerNumber &+= 1
    guarded.timerDue = wake
    let number = guarded.timerNumber
    // Weak: a keeper without users must not live until its alarm.
    guarded.timer = Task(executorPreference: executor) { [weak self, clock] in
      guard (try? await clock.sleep(until: wake)) != nil else { return }
      self?.alarm(number)
    }
  }

  private func alarm(_ number: Int) {
    guarded.withLock { guarded in
      guard guarded.timerNumber == number else { return }
      guarded.timer = nil
      guarded.timerDue = .distantFuture
    }
    update { state, time in state.tick(at: time) }
  }
}
