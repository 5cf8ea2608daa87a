import AdapterAPI
import AdapterTestKit
import Synchronization
import TestSupport
import Testing

@testable import Host

@Suite(.timeLimit(.minutes(1))) struct TokenKeeperTests {
  @Test func `five hundred concurrent callers make one exchange`() async throws {
    let bench = TokenBench()
    bench.adapter.hold()
    let calls = (1...500).map { _ in bench.call() }
    #expect(await eventually { bench.adapter.calls == [.authorize] })
    bench.adapter.release()
    for call in calls { #expect(await call.value == "A1") }
    #expect(bench.adapter.calls == [.authorize])
    #expect(bench.log.events == [.authorized])
  }

  @Test func `five hundred reports of one refused token make one exchange`() async throws {
    let bench = TokenBench()
    let first = try await bench.token()
    bench.keeper.accepted(first)
    let tokens = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 1...500 { group.addTask { try await bench.replace(first).access } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(tokens) == ["A2"])
    #expect(bench.adapter.calls == [.authorize, .refresh("R1")])
  }

  @Test func `a keeper that serves two instances uses the newer one's adapter and stops with the last`() async throws {
    let bench = TokenBench()
    let first = try await bench.token()
    let newer = TokenTestAdapter(clock: bench.clock)
    bench.keeper.serve(newer, window: .seconds(300), exchangeTimeout: .seconds(10))
    await bench.keeper.leave()
    _ = try await bench.replace(first)
    #expect(bench.adapter.calls == [.authorize])
    #expect(newer.calls == [.refresh("R1")])
    await bench.keeper.leave()
    await #expect(throws: KeeperError.self) {
      _ = try await bench.replace(first)
      _ = try await bench.replace(try #require(bench.keeper.current?.token))
    }
  }

  @Test func `a new token is stored before a caller gets it`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let bench = TokenBench(store)
    let token = try await bench.token()
    #expect(try await store.load(TokenKey(adapter: "main", upstream: "u"))?.token == token)
  }

  @Test(
    arguments: [
      // EcoCtrl stores an opaque token, or a JWT with the times of a token that lives two hours or ten minutes.
      (nil, 240, true), (nil, 360, false), (6960, 240, true), (6840, 360, false), (360, 240, true), (240, 360, false),
    ] as [(Int64?, Int64, Bool)])
  func `a token that EcoCtrl stored with four minutes left is renewed, and one with six minutes left is not yet`(
    age: Int64?, left: Int64, isRenewed: Bool
  ) async throws {
    let (store, wall) = (Store(SQLiteDatabase.inMemory()), TestClock().wall())
    try await store.open()
    let claims = age.map { #"{"iat":\#(wall / 1000 - $0),"exp":\#(wall / 1000 + left)}"# }
    let access = claims.map { "e30.\(Base64URL.encode(Array($0.utf8))).c2ln" } ?? "opaque"
    _ = try await store.sql(
      """
      INSERT INTO iot_tokens (access_token, refresh_token, expires_at, adapter, upstream)
      VALUES ('\(access)', 'theirs', \(wall + left * 1000), 'main', 'u')
      """)
    let bench = TokenBench(store)
    // The token is used while it is renewed.
    #expect(["A1", access].contains(try await bench.token().access))
    guard isRenewed else { return #expect(bench.adapter.calls == []) }
    #expect(await eventually { bench.keeper.current?.token.access == "A1" })
    #expect(bench.adapter.calls == [.refresh("theirs")])
  }

  @Test(arguments: [false, true])
  func `a second keeper of the same store, or of the same SQLite file, uses the stored token without an exchange`(
    isFile: Bool
  ) async throws {
    let folder = StoreFolder()
    let shared = Store(SQLiteDatabase.inMemory())
    func store() -> Store { isFile ? Store(SQLiteDatabase(path: folder.file("gateway.db"))) : shared }
    let first = TokenBench(store())
    let token = try await first.token()
    // The first keeper is neither stopped nor closed, as after a kill.
    let second = TokenBench(store())
    #expect(try await second.token() == token)
    #expect(second.adapter.calls == [])
  }

  @Test func `a keeper renews at the start of the renewal window and changes the generation`() async throws {
    let bench = TokenBench()
    _ = try await bench.token()
    let generation = bench.keeper.generation
    #expect(bench.keeper.current?.generation == generation)
    bench.clock.advance(by: .seconds(6900))
    #expect(await eventually { bench.keeper.current?.token.access == "A2" })
    #expect(bench.adapter.calls == [.authorize, .refresh("R1")])
    #expect(bench.keeper.generation == generation + 1)
    // The next alarm was set too.
    bench.clock.advance(by: .seconds(6900))
    #expect(await eventually { bench.keeper.current?.token.access == "A3" })
  }

  @Test func `a refused token invalidates copies at once`() async throws {
    let bench = TokenBench()
    let token = try await bench.token()
    let generation = bench.keeper.generation
    bench.adapter.hold()
    async let next = bench.replace(token)
    #expect(await eventually { bench.adapter.calls.count == 2 })
    #expect(bench.keeper.current?.token == nil)
    #expect(bench.keeper.current == nil)
    #expect(bench.keeper.status().expiresAtSeconds == nil)
    #expect(bench.keeper.generation > generation)
    bench.adapter.release()
    #expect(try await next.access == "A2")
  }

  @Test func `a cancelled caller fails at once, and the exchange continues for the other callers`() async throws {
    let bench = TokenBench()
    bench.adapter.hold()
    let (leaving, staying) = (bench.call(), bench.call())
    #expect(await eventually { bench.adapter.calls == [.authorize] })
    leaving.cancel()
    #expect(await leaving.value == "cancelled")
    bench.adapter.release()
    #expect(await staying.value == "A1")
    #expect(bench.adapter.calls == [.authorize])
  }

  @Test func `a caller whose task is already cancelled does not wait`() async {
    let bench = TokenBench()
    bench.adapter.hold()
    #expect(await bench.call(isCancelled: true).value == "cancelled")
  }

  @Test func `a caller fails at its deadline without any other event`() async throws {
    let bench = TokenBench()
    bench.adapter.hold()
    let caller = bench.call(within: .seconds(3))
    #expect(await eventually { bench.adapter.calls == [.authorize] })
    bench.clock.advance(by: .seconds(3))
    #expect(await caller.value == "deadline")
    bench.adapter.release()
  }

  @Test func `a refused refresh leads to one authorization`() async throws {
    let bench = TokenBench()
    let token = try await bench.token()
    bench.adapter.fail(.refreshRejected("305"))
    #expect(try await bench.replace(token).access == "A2")
    #expect(bench.adapter.calls == [.authorize, .refresh("R1"), .authorize])
    #expect(bench.log.events == [.authorized, .rejected, .authorized])
  }

  @Test func `a failed exchange gives the time to retry after, and shows in the status until the next success`()
    async throws
  {
    let bench = TokenBench()
    bench.adapter.fail(AdapterError(.unreachable, "no"), AdapterError(.unreachable, "no"))
    for wait in [1, 2] {
      let error = try await #require(throws: KeeperError.self) { try await bench.token() }
      #expect(error.code == .noToken && error.retryAfter == .seconds(wait))
      #expect(bench.keeper.status().degraded.map(\.code) == ["token_refresh_failing"])
      bench.clock.advance(by: .seconds(wait))
    }
    let token = try await bench.token()
    #expect(bench.keeper.status() == .init(expiresAtSeconds: token.expiresAt / 1000, degraded: []))
    // Time may have passed before the store responded.
    let events = bench.log.events.filter { $0 != .storeDown && $0 != .storeUp }
    #expect(events == [.failed, .failed, .authorized])
  }

  @Test func `a token is used while the store fails, and stored when it works again`() async throws {
    let store = TokenTestStore()
    store.setFailure(StoreError(.full, "The disk is full."))
    let bench = TokenBench(store)
    let token = try await bench.token()
    #expect(bench.keeper.status().degraded.map(\.code) == ["store_unavailable"])
    store.setFailure(nil)
    bench.clock.advance(by: .seconds(1))
    #expect(await eventually { bench.log.events.last == .storeUp })
    #expect(bench.keeper.status().degraded.isEmpty)
    #expect(try await store.load(TokenKey(adapter: "main", upstream: "u"))?.token == token)
    #expect(bench.log.events == [.storeDown, .authorized, .storeUp])
  }

  @Test func `stopping waits for the exchange and its save`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let bench = TokenBench(store)
    bench.adapter.hold()
    let caller = bench.call()
    #expect(await eventually { bench.adapter.calls == [.authorize] })
    let hasStopped = Mutex(false)
    async let stopping: Void = {
      await bench.keeper.stop()
      hasStopped.withLock { $0 = true }
    }()
    #expect(!hasStopped.withLock { $0 })
    bench.adapter.release()
    await stopping
    #expect(try await store.load(TokenKey(adapter: "main", upstream: "u"))?.token.access == "A1")
    #expect(await caller.value == "A1")
    #expect(bench.log.events == [.authorized, .ended])
    // A second stop returns too.
    await bench.keeper.stop()
  }

  @Test func `a keeper without references is released although its alarm is set`() async throws {
    weak var gone: TokenKeeper?
    let clock: TestClock
    do {
      let bench = TokenBench()
      clock = bench.clock
      gone = bench.keeper
      bench.keeper.start()
      _ = try await bench.token()
    }
    #expect(await eventually { gone == nil })
    clock.advance(by: .seconds(9000))
  }

  @Test func `the keeper's tasks run on the given executor`() async throws {
    let executor = CountingExecutor()
    let bench = TokenBench(executor: executor)
    _ = try await bench.token()
    #expect(executor.jobs.load(ordering: .relaxed) >= 3)
  }

  @Test func `log, status and errors show no token`() async throws {
    let store = TokenTestStore()
    store.setFailure(StoreError(.full, "The disk is full."))
    let bench = TokenBench(store)
    let token = try await bench.token()
    bench.adapter.fail(.refreshRejected("305"), AdapterError(.timeout, "no"))
    let error = try await #require(throws: KeeperError.self) { try await bench.replace(token) }
    let seen = bench.log.text + "\(error) \(bench.keeper.status()) \(token)"
    #expect(!seen.contains("A1") && !seen.contains("R1"))
    #expect(bench.log.text.contains("refused the refresh token"))
  }
}

private final class CountingExecutor: TaskExecutor {
  let jobs = Atomic<Int>(0)

  func enqueue(_ job: consuming ExecutorJob) {
    jobs.add(1, ordering: .relaxed)
    let job = UnownedJob(job)
    // On another thread, as with an event loop.
    Task.detached { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
