import AdapterAPI
import AdapterTestKit
import Synchronization

@testable import Host

/// An adapter whose upstream issues the tokens `A1`, `A2` …
final class TokenTestAdapter: Adapter {
  static let typeName = "token-test"
  static let operations: Set<Operation> = []

  enum Call: Equatable {
    case authorize
    case refresh(String)
  }

  private struct State {
    var calls: [Call] = []
    var given = 0
    var isWaiting = false
    var waiting: [CheckedContinuation<Void, Never>] = []
    var failures: [AdapterError] = []
    var life: Int64 = 7200
  }

  private let state = Mutex(State())
  private let clock: TestClock

  init(clock: TestClock) { self.clock = clock }

  init(settings: Settings, context: AdapterContext) throws(ConfigError) { clock = TestClock() }

  var upstream: UpstreamIdentity { UpstreamIdentity(type: "token-test", address: "", account: Secret("")) }

  var calls: [Call] { state.withLock { $0.calls } }

  /// Lets the following calls wait for `release`.
  func hold() { state.withLock { $0.isWaiting = true } }

  func release() {
    let waiting = state.withLock { state in
      state.isWaiting = false
      defer { state.waiting.removeAll() }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  func perform(_ request: AdapterRequest, _ call: AdapterAPI.Call) async throws(AdapterError) -> AdapterResponse {
    throw .unsupported(request.operation.rawValue)
  }

  func fail(_ errors: AdapterError...) { state.withLock { $0.failures += errors } }

  func refresh(_ current: Token?, deadline: Instant) async throws(AdapterError) -> Token {
    await withCheckedContinuation { continuation in
      let goesOn = state.withLock { state in
        state.calls.append(current.map { .refresh($0.refresh) } ?? .authorize)
        if state.isWaiting { state.waiting.append(continuation) }
        return !state.isWaiting
      }
      if goesOn { continuation.resume() }
    }
    let (failure, number, life) = state.withLock { state -> (AdapterError?, Int, Int64) in
      if !state.failures.isEmpty { return (state.failures.removeFirst(), 0, 0) }
      state.given += 1
      return (nil, state.given, state.life)
    }
    if let failure { throw failure }
    return try Token(
      access: "A\(number)", refresh: "R\(number)", expiresAt: clock.wall() + life * 1000, lifetime: life * 1000)
  }
}

/// A store in memory that fails on demand.
final class TokenTestStore: TokenStore {
  private let inner = Store(SQLiteDatabase.inMemory())
  private let failure = Mutex<StoreError?>(nil)

  func setFailure(_ error: StoreError?) { failure.withLock { $0 = error } }

  private func check() throws(StoreError) { if let error = failure.withLock({ $0 }) { throw error } }

  func open() async throws(StoreError) { try check() }

  var sharing: StoreSharing { .process }
  func claim(
    _ key: TokenKey, holder: String, seen: StoredPair?, for time: Duration
  ) async throws(StoreError) -> ClaimOutcome {
    try check()
    return try await inner.claim(key, holder: holder, seen: seen, for: time)
  }

  func extend(_ key: TokenKey, holder: String, for time: Duration) async throws(StoreError) -> Bool {
    try check()
    return try await inner.extend(key, holder: holder, for: time)
  }

  func release(_ key: TokenKey, holder: String) async throws(StoreError) {
    try check()
    try await inner.release(key, holder: holder)
  }

  func load(_ key: TokenKey) async throws(StoreError) -> StoredPair? {
    try check()
    return try await inner.load(key)
  }

  func save(
    _ token: Token, _ key: TokenKey, holder: String, replacing old: StoredPair?
  ) async throws(StoreError) -> SaveOutcome {
    try check()
    return try await inner.save(token, key, holder: holder, replacing: old)
  }

  func close() async { await inner.close() }
}

/// Records a keeper's events and log.
final class TokenTestLog: AdapterLog {
  private struct State {
    var events: [TokenEvent] = []
    var text = ""
  }

  private let state = Mutex(State())

  var events: [TokenEvent] { state.withLock { $0.events } }
  var text: String { state.withLock { $0.text } }

  func note(_ event: TokenEvent) { state.withLock { $0.events.append(event) } }

  func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)]) {
    let values = fields.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    state.withLock { $0.text += "\(level) \(message) \(values)\n" }
  }
}

/// A keeper that has started, with a hand-driven clock and a scripted upstream.
struct TokenBench {
  let clock = TestClock()
  let adapter: TokenTestAdapter
  let log = TokenTestLog()
  let keeper: TokenKeeper

  init(_ store: any TokenStore = Store(SQLiteDatabase.inMemory()), executor: (any TaskExecutor)? = nil) {
    let adapter = TokenTestAdapter(clock: clock)
    self.adapter = adapter
    keeper = TokenKeeper(
      adapter: adapter, key: TokenKey(adapter: "main", upstream: "u"), holder: "\(ObjectIdentifier(adapter))",
      store: store, window: .seconds(300), exchangeTimeout: .seconds(10),
      clock: clock, executor: executor, log: log, events: { [log] in log.note($0) }, jitter: { _ in .zero })
    keeper.start()
  }

  func deadline(_ limit: Duration = .seconds(30)) -> Instant { clock.now() + limit }

  func token() async throws(KeeperError) -> Token { try await keeper.token(deadline: deadline()) }

  func replace(_ token: Token) async throws(KeeperError) -> Token {
    try await keeper.replace(rejected: token, deadline: deadline())
  }

  /// Starts a caller, and returns the access token that it gets, or the code of its error.
  func call(within limit: Duration = .seconds(30), isCancelled: Bool = false) -> Task<String, Never> {
    let (keeper, deadline) = (keeper, deadline(limit))
    return Task {
      if isCancelled { withUnsafeCurrentTask { $0?.cancel() } }
      do throws(KeeperError) {
        return try await keeper.token(deadline: deadline).access
      } catch {
        return error.code.rawValue
      }
    }
  }
}
