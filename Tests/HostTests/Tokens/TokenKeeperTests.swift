import AdapterAPI
import Synchronization
import Testing

@testable import Host

@Suite(.timeLimit(.minutes(1))) struct TokenKeeperTests {
  @Test func `five hundred concurrent callers make one exchange`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    bench.adapter.hold()
    let (keeper, deadline) = (bench.keeper, bench.deadline())
    let tokens = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 1...500 { group.addTask { try await keeper.token(deadline: deadline).access } }
      await until { bench.adapter.calls == [.authorize] }
      bench.adapter.release()
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(tokens == Array(repeating: "A1", count: 500))
    #expect(bench.adapter.calls == [.authorize])
    #expect(bench.log.events == [.authorized])
  }

  @Test func `five hundred reports of one refused token make one exchange`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    let first = try await bench.keeper.token(deadline: bench.deadline())
    bench.keeper.accepted(first)
    let (keeper, deadline) = (bench.keeper, bench.deadline())
    let tokens = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 1...500 { group.addTask { try await keeper.replace(rejected: first, deadline: deadline).access } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(tokens) == ["A2"])
    #expect(bench.adapter.calls == [.authorize, .refresh("R1")])
  }

  @Test func `a keeper that serves two instances uses the newer one's adapter and stops with the last`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    let first = try await bench.keeper.token(deadline: bench.deadline())
    let newer = TokenTestAdapter(clock: bench.clock)
    bench.keeper.serve(newer, window: .seconds(300), exchangeTimeout: .seconds(10))
    await bench.keeper.leave()
    _ = try await bench.keeper.replace(rejected: first, deadline: bench.deadline())
    #expect(bench.adapter.calls == [.authorize])
    #expect(newer.calls == [.refresh("R1")])
    await bench.keeper.leave()
    await #expect(throws: KeeperError.self) {
      _ = try await bench.keeper.replace(rejected: first, deadline: bench.deadline())
      _ = try await bench.keeper.replace(rejected: try #require(bench.keeper.snapshot()), deadline: bench.deadline())
    }
  }

  @Test func `the token is in the store before anybody has it`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let bench = TokenBench(store)
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
    #expect(try await store.load(TokenKey(adapter: "main", upstream: "u"))?.token == token)
  }

  @Test func `a second keeper on the same store asks the upstream for nothing`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let first = TokenBench(store)
    first.keeper.start()
    let token = try await first.keeper.token(deadline: first.deadline())
    let second = TokenBench(store)
    second.keeper.start()
    #expect(try await second.keeper.token(deadline: second.deadline()) == token)
    #expect(second.adapter.calls == [])
  }

  @Test func `the keeper renews by itself at the window's edge and moves the generation`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    _ = try await bench.keeper.token(deadline: bench.deadline())
    let generation = bench.keeper.generation
    #expect(bench.keeper.current?.generation == generation)
    bench.clock.advance(.seconds(6900))
    await until { bench.keeper.snapshot()?.access == "A2" }
    #expect(bench.adapter.calls == [.authorize, .refresh("R1")])
    #expect(bench.keeper.generation == generation + 1)
    // And again: the next alarm was set too.
    bench.clock.advance(.seconds(6900))
    await until { bench.keeper.snapshot()?.access == "A3" }
  }

  @Test func `a refused token is out of the copies' sight at once`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
    let generation = bench.keeper.generation
    bench.adapter.hold()
    async let next = bench.keeper.replace(rejected: token, deadline: bench.deadline())
    await until { bench.adapter.calls.count == 2 }
    #expect(bench.keeper.snapshot() == nil)
    #expect(bench.keeper.current == nil)
    #expect(bench.keeper.status().expiresAtSeconds == nil)
    #expect(bench.keeper.generation > generation)
    bench.adapter.release()
    #expect(try await next.access == "A2")
  }

  @Test func `a caller that is cancelled leaves at once and the exchange goes on for the others`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    bench.adapter.hold()
    let (keeper, deadline) = (bench.keeper, bench.deadline())
    let leaving = Task { () async -> KeeperError.Code? in
      do throws(KeeperError) {
        _ = try await keeper.token(deadline: deadline)
        return nil
      } catch { return error.code }
    }
    let staying = Task { try await keeper.token(deadline: deadline) }
    await until { bench.adapter.calls == [.authorize] }
    leaving.cancel()
    #expect(await leaving.value == .cancelled)
    bench.adapter.release()
    #expect(try await staying.value.access == "A1")
    #expect(bench.adapter.calls == [.authorize])
  }

  @Test func `a caller that was cancelled before it came does not wait`() async {
    let bench = TokenBench()
    bench.keeper.start()
    bench.adapter.hold()
    let (keeper, deadline) = (bench.keeper, bench.deadline())
    let caller = Task { () async -> KeeperError.Code? in
      await until { Task.isCancelled }
      do throws(KeeperError) {
        _ = try await keeper.token(deadline: deadline)
        return nil
      } catch { return error.code }
    }
    caller.cancel()
    #expect(await caller.value == .cancelled)
  }

  @Test func `a caller's deadline passes by the clock alone`() async {
    let bench = TokenBench()
    bench.keeper.start()
    bench.adapter.hold()
    let (keeper, deadline) = (bench.keeper, bench.deadline(.seconds(3)))
    let caller = Task { () async -> KeeperError.Code? in
      do throws(KeeperError) {
        _ = try await keeper.token(deadline: deadline)
        return nil
      } catch { return error.code }
    }
    await until { bench.adapter.calls == [.authorize] }
    bench.clock.advance(.seconds(3))
    #expect(await caller.value == .deadline)
    bench.adapter.release()
  }

  @Test func `a refused refresh is followed by one authorize`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
    bench.adapter.fail(.refreshRejected("305"))
    #expect(try await bench.keeper.replace(rejected: token, deadline: bench.deadline()).access == "A2")
    #expect(bench.adapter.calls == [.authorize, .refresh("R1"), .authorize])
    #expect(bench.log.events == [.authorized, .rejected, .authorized])
  }

  @Test func `a failure tells when to come again and shows in the status until it is over`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    bench.adapter.fail(AdapterError(.unreachable, "no"), AdapterError(.unreachable, "no"))
    for wait in [1, 2] {
      do throws(KeeperError) {
        _ = try await bench.keeper.token(deadline: bench.deadline())
        Issue.record("there is no token")
      } catch {
        #expect(error.code == .noToken)
        #expect(error.cause == .unreachable)
        #expect(error.retryAfter == .seconds(wait))
      }
      #expect(bench.keeper.status().degraded.map(\.code) == ["token_refresh_failing"])
      bench.clock.advance(.seconds(wait))
    }
    let token = try await bench.keeper.token(deadline: bench.deadline())
    #expect(bench.keeper.status() == .init(expiresAtSeconds: token.expiresAt / 1000, degraded: []))
    // The clock may have been quicker than the store.
    let events = bench.log.events.filter { $0 != .storeDown && $0 != .storeUp }
    #expect(events == [.failed, .failed, .authorized])
  }

  @Test func `with the store down the token is used and stored as soon as it is up`() async throws {
    let store = TokenTestStore()
    store.setFailure(StoreError(.full, "The disk is full."))
    let bench = TokenBench(store)
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
    #expect(bench.keeper.status().degraded.map(\.code) == ["store_unavailable"])
    store.setFailure(nil)
    bench.clock.advance(.seconds(1))
    // The last thing that is told; the state has changed by then.
    await until { bench.log.events.last == .storeUp }
    #expect(bench.keeper.status().degraded.isEmpty)
    #expect(try await store.load(TokenKey(adapter: "main", upstream: "u"))?.token == token)
    #expect(bench.log.events == [.storeDown, .authorized, .storeUp])
  }

  @Test func `stopping waits for the exchange and its saving`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let bench = TokenBench(store)
    bench.keeper.start()
    bench.adapter.hold()
    let (keeper, deadline) = (bench.keeper, bench.deadline())
    let caller = Task { try await keeper.token(deadline: deadline) }
    await until { bench.adapter.calls == [.authorize] }
    let hasStopped = Mutex(false)
    async let stopping: Void = {
      await keeper.stop()
      hasStopped.withLock { $0 = true }
    }()
    #expect(!hasStopped.withLock { $0 })
    bench.adapter.release()
    await stopping
    #expect(try await store.load(TokenKey(adapter: "main", upstream: "u"))?.token.access == "A1")
    #expect(try await caller.value.access == "A1")
    #expect(bench.log.events == [.authorized, .ended])
    // Twice is as good as once.
    await keeper.stop()
  }

  @Test func `a keeper that nobody holds any more is gone although its alarm is set`() async throws {
    weak var gone: TokenKeeper?
    let clock: TokenTestClock
    do {
      let bench = TokenBench()
      clock = bench.clock
      gone = bench.keeper
      bench.keeper.start()
      _ = try await bench.keeper.token(deadline: bench.deadline())
    }
    await until { gone == nil }
    clock.advance(.seconds(9000))
  }

  @Test func `its tasks run where they were told to`() async throws {
    let executor = CountingExecutor()
    let bench = TokenBench(executor: executor)
    bench.keeper.start()
    _ = try await bench.keeper.token(deadline: bench.deadline())
    #expect(executor.jobs.load(ordering: .relaxed) >= 3)
  }

  @Test func `neither log nor status nor error shows a token`() async throws {
    let store = TokenTestStore()
    store.setFailure(StoreError(.full, "The disk is full."))
    let bench = TokenBench(store)
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
    bench.adapter.fail(.refreshRejected("305"), AdapterError(.timeout, "no"))
    do throws(KeeperError) {
      _ = try await bench.keeper.replace(rejected: token, deadline: bench.deadline())
      Issue.record("there is no token")
    } catch {
      let seen = bench.log.text + "\(error) \(error.message) \(bench.keeper.status()) \(token)"
      #expect(!seen.contains("A1") && !seen.contains("R1"))
      #expect(bench.log.text.contains("refused the refresh token"))
    }
  }

  @Test func `with SQLite a pair survives keeper and store`() async throws {
    let folder = StoreFolder()
    let path = folder.file("gateway.db")
    let first = TokenBench(Store(SQLiteDatabase(path: path)))
    first.keeper.start()
    let token = try await first.keeper.token(deadline: first.deadline())
    // No stop, no close: as if killed.
    let second = TokenBench(Store(SQLiteDatabase(path: path)))
    second.keeper.start()
    #expect(try await second.keeper.token(deadline: second.deadline()) == token)
    #expect(second.adapter.calls == [])
  }
}

private final class CountingExecutor: TaskExecutor {
  let jobs = Atomic<Int>(0)

  func enqueue(_ job: consuming ExecutorJob) {
    jobs.add(1, ordering: .relaxed)
    let job = UnownedJob(job)
    // Off this thread, as an event loop would.
    Task.detached { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}

/// Waits until something is so; the test's time limit is the end of patience.
private func until(_ condition: () async -> Bool) async {
  while await !condition() { await Task.yield() }
}
