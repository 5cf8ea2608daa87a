import AdapterAPI
import Synchronization

/// Keeps the upstream token of one adapter: renews it ahead of need, once for all who wait, and stores it.
///
/// `TokenState` decides, this class does: it calls the adapter and the store from tasks of its own, so that no caller's
/// leaving ends an exchange, and resumes those who wait. A caller that meets a good token takes one uncontended lock
/// and never suspends; an event loop that keeps a copy (`current`) and compares `generation` does not even lock.
final class TokenKeeper: Sendable {
  /// A token with what a copy of it has to know: from `refreshAt` on, and whenever `generation` has moved, ask again.
  struct Current: Sendable {
    let token: Token
    let expires: Instant
    let refreshAt: Instant
    let generation: Int
  }

  struct Status: Sendable, Equatable {
    struct Reason: Sendable, Equatable {
      /// `token_refresh_failing`, `store_unavailable`.
      let code: String
      /// Milliseconds since the epoch.
      let since: Int64
    }

    /// Of the token that is in use; nil while there is none.
    var expiresAtSeconds: Int64?
    /// It was obtained without the lease while the store was away, and is this process's alone.
    var isDetached = false
    var degraded: [Reason]
  }

  private typealias Waiter = CheckedContinuation<Result<Token, KeeperError>, Never>

  private struct Guarded {
    var state: TokenState
    var adapter: any Adapter
    /// What exchanges are counted in. They are never refused: without a token there is no call at all.
    var budget: BudgetKeeper?
    /// How many adapter instances it serves.
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
  ///   - holder: this process, distinct from every other that may use the store.
  ///   - executor: where the keeper's tasks run; nil: the global one.
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

  /// Loads the stored pair and begins to renew ahead of need. Until it is loaded, callers wait. Authorizes only when
  /// the first caller asks.
  func start() { update { state, time in state.start(at: time) } }

  /// Serves another instance of the same adapter too, and makes exchanges with it from now on.
  ///
  /// A reload may change an adapter's settings and not its upstream. Two keepers of one pair would both refresh it, and each
  /// could void what the other got.
  func serve(_ adapter: any Adapter, window: Duration, exchangeTimeout: Duration, budget: BudgetKeeper? = nil) {
    guarded.withLock { guarded in
      guarded.adapter = adapter
      guarded.budget = budget
      guarded.state.timing.window = max(window, .zero)
      guarded.state.timing.exchangeTimeout = exchangeTimeout
      guarded.users += 1
    }
  }

  /// An instance has ended; with the last one the keeper stops.
  func leave() async {
    let isLast = guarded.withLock { guarded in
      guarded.users -= 1
      return guarded.users == 0
    }
    if isLast { await stop() }
  }

  /// No new exchange from now on; returns when the one that is under way has ended and its pair is stored.
  func stop() async {
    await withCheckedContinuation { continuation in
      guarded.withLock { $0.stops.append(continuation) }
      update { state, time in state.stop(at: time) }
    }
  }

  // MARK: Tokens

  /// Moves with every new token, and when the one in use is refused.
  var generation: Int { published.load(ordering: .acquiring) }

  /// The token in use, unless it is over or was refused.
  func snapshot() -> Token? {
    let now = clock.now()
    return guarded.withLock { $0.state.held.flatMap { $0.isUsable(now) ? $0.token : nil } }
  }

  /// The token in use with its times, unless it is over or was refused.
  var current: Current? {
    let now = clock.now()
    return guarded.withLock { guarded in
      guard let held = guarded.state.held, held.isUsable(now) else { return nil }
      // Read under the lock: it is moved under the lock too, so it belongs to this token.
      return Current(
        token: held.token, expires: held.expires, refreshAt: held.refreshAt,
        generation: published.load(ordering: .acquiring))
    }
  }

  /// A token that is good for a call.
  ///
  /// At once while it is outside the window. Inside, waits at most a second for the next one. Without a valid one,
  /// waits for it until the deadline, or fails with what the exchange failed with; at once while the next attempt has
  /// to wait.
  func token(deadline: Instant) async throws(KeeperError) -> Token {
    let now = clock.now()
    if let token = guarded.withLock({ $0.state.ready(now) }) { return token }
    return try await wait { state, id, time in state.ask(id, deadline: deadline, at: time) }
  }

  /// The upstream refused `token` before acting: another one. One exchange for all that report the same token. To be
  /// called once per request: when the second token is refused too, the answer is 502.
  func replace(rejected token: Token, deadline: Instant) async throws(KeeperError) -> Token {
    try await wait { state, id, time in state.replace(token, id, deadline: deadline, at: time) }
  }

  /// The upstream accepted `token`. Worth telling once per token (an event loop remembers for which `generation` it
  /// did): it tells an upstream that ends tokens early from one that refuses all it gives.
  func accepted(_ token: Token) { guarded.withLock { $0.state.accept(token) } }

  /// Another process says that it stored that version of this adapter's pair. Only a hint: the row is looked at.
  func noticed(version: Int64) { update { state, time in state.noticed(version, at: time) } }

  func status() -> Status {
    let now = clock.now()
    return guarded.withLock { guarded in
      let state = guarded.state
      var reasons: [Status.Reason] = []
      if let since = state.failingSince { reasons.append(Status.Reason(code: "token_refresh_failing", since: since)) }
      if let since = state.storeDownSince { reasons.append(Status.Reason(code: "store_unavailable", since: since)) }
      let inUse = state.held.flatMap { $0.isUsable(now) ? $0 : nil }
      return Status(
        expiresAtSeconds: inUse.map { $0.token.expiresAt / 1000 }, isDetached: inUse?.isDetached ?? false,
        degraded: reasons)
    }
  }

  private func wait(
    _ ask: @Sendable (inout TokenState, TokenWaiters.ID, ClockReading) -> TokenState.Answer
  ) async throws(KeeperError) -> Token {
    let id = guarded.withLock { guarded in
      guarded.nextID &+= 1
      return guarded.nextID
    }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: Waiter) in
        // Entered before it is asked, so that the answer finds it.
        guarded.withLock { $0.waiters[id] = continuation }
        let answer = update { state, time in ask(&state, id, time) }
        switch answer {
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

  // MARK: Doing what the state decided

  /// What is done after the lock is given back.
  private struct Outside {
    var resumptions: [(Waiter, Result<Token, KeeperError>)] = []
    var stops: [CheckedContinuation<Void, Never>] = []
    var events: [TokenEvent] = []
    var lines: [(level: LogLevel, message: StaticString, detail: String)] = []
  }

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
    switch action {
    case .load: run { await self.load() }
    case .claim(let seen): run { await self.claim(seen: seen) }
    case .extend: run { await self.extend() }
    case .release: run { await self.release() }
    case .save(let token, let old): run { await self.save(token, replacing: old) }
    case .exchange(let current, let deadline):
      guarded.exchange = run { await self.exchange(current, deadline: deadline) }
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

  @discardableResult
  private func run(_ operation: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
    Task(executorPreference: executor, operation: operation)
  }

  private func load() async {
    let result: Result<StoredPair?, StoreError>
    do throws(StoreError) { result = .success(try await store.load(key)) } catch { result = .failure(error) }
    update { state, time in state.loaded(result, at: time) }
  }

  private func claim(seen: StoredPair?) async {
    let result: Result<ClaimOutcome, StoreError>
    do throws(StoreError) {
      result = .success(try await store.claim(key, holder: holder, seen: seen, for: TokenTiming.lease))
    } catch {
      result = .failure(error)
    }
    update { state, time in state.claimed(result, at: time) }
  }

  private func extend() async {
    let result: Result<Bool, StoreError>
    do throws(StoreError) {
      result = .success(try await store.extend(key, holder: holder, for: TokenTiming.lease))
    } catch {
      result = .failure(error)
    }
    update { state, time in state.extended(result, at: time) }
  }

  private func release() async {
    let result: Result<Void, StoreError>
    do throws(StoreError) { result = .success(try await store.release(key, holder: holder)) } catch {
      result = .failure(error)
    }
    update { state, time in state.released(result, at: time) }
  }

  private func save(_ token: Token, replacing old: StoredPair?) async {
    let result: Result<SaveOutcome, StoreError>
    do throws(StoreError) {
      result = .success(try await store.save(token, key, holder: holder, replacing: old))
    } catch {
      result = .failure(error)
    }
    update { state, time in state.saved(result, of: token, at: time) }
  }

  private func exchange(_ current: Token?, deadline: Instant) async {
    let (adapter, budget) = guarded.withLock { ($0.adapter, $0.budget) }
    budget?.count()
    let result: Result<Token, AdapterError>
    do throws(AdapterError) {
      result = .success(try await adapter.refresh(current, deadline: deadline))
    } catch {
      result = .failure(error)
    }
    update { state, time in state.exchanged(result, at: time) }
  }

  // MARK: The timer

  /// One sleeping task for everything that is due some time. A later wish leaves the earlier alarm standing.
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
    // Weak: a keeper that nobody holds any more must not live until its alarm.
    guarded.timer = run { [weak self, clock] in
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
