import AdapterAPI
import AdapterTestKit
import Synchronization
import TestSupport
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
      #expect(await eventually { bench.adapter.calls == [.authorize] })
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
      _ = try await bench.keeper.replace(
        rejected: try #require(bench.keeper.current?.token), deadline: bench.deadline())
    }
  }

  @Test func `a new token is stored before a caller gets it`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let bench = TokenBench(store)
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
    #expect(try await store.load(TokenKey(adapter: "main", upstream: "u"))?.token == token)
  }

  @Test func `a second keeper of the same store uses the stored token without an exchange`() async throws {
    let store = Store(SQLiteDatabase.inMemory())
    let first = TokenBench(store)
    first.keeper.start()
    let token = try await first.keeper.token(deadline: first.deadline())
    let second = TokenBench(store)
    second.keeper.start()
    #expect(try await second.keeper.token(deadline: second.deadline()) == token)
    #expect(second.adapter.calls == [])
  }

  @Test func `a keeper renews at the start of the renewal window and changes the generation`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    _ = try await bench.keeper.token(deadline: bench.deadline())
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
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
    let generation = bench.keeper.generation
    bench.adapter.hold()
    async let next = bench.keeper.replace(rejected: token, deadline: bench.deadline())
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
    #expect(await eventually { bench.adapter.calls == [.authorize] })
    leaving.cancel()
    #expect(await leaving.value == .cancelled)
    bench.adapter.release()
    #expect(try await staying.value.access == "A1")
    #expect(bench.adapter.calls == [.authorize])
  }

  @Test func `a caller whose task is already cancelled does not wait`() async {
    let bench = TokenBench()
    bench.keeper.start()
    bench.adapter.hold()
    let (keeper, deadline) = (bench.keeper, bench.deadline())
    let caller = Task { () async -> KeeperError.Code? in
      while !Task.isCancelled { await Task.yield() }
      do throws(KeeperError) {
        _ = try await keeper.token(deadline: deadline)
        return nil
      } catch { return error.code }
    }
    caller.cancel()
    #expect(await caller.value == .cancelled)
  }

  @Test func `a caller fails at its deadline without any other event`() async throws {
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
    #expect(await eventually { bench.adapter.calls == [.authorize] })
    bench.clock.advance(by: .seconds(3))
    #expect(await caller.value == .deadline)
    bench.adapter.release()
  }

  @Test func `a refused refresh leads to one authorization`() async throws {
    let bench = TokenBench()
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
    bench.adapter.fail(.refreshRejected("305"))
    #expect(try await bench.keeper.replace(rejected: token, deadline: bench.deadline()).access == "A2")
    #expect(bench.adapter.calls == [.authorize, .refresh("R1"), .authorize])
    #expect(bench.log.events == [.authorized, .rejected, .authorized])
  }

  @Test func `a failed exchange gives the time to retry after, and shows in the status until the next success`()
    async throws
  {
    let bench = TokenBench()
    bench.keeper.start()
    bench.adapter.fail(AdapterError(.unreachable, "no"), AdapterError(.unreachable, "no"))
    for wait in [1, 2] {
      do throws(KeeperError) {
        _ = try await bench.keeper.token(deadline: bench.deadline())
        Issue.record("there is no token")
      } catch {
        #expect(error.code == .noToken)
        #expect(error.retryAfter == .seconds(wait))
      }
      #expect(bench.keeper.status().degraded.map(\.code) == ["token_refresh_failing"])
      bench.clock.advance(by: .seconds(wait))
    }
    let token = try await bench.keeper.token(deadline: bench.deadline())
    #expect(bench.keeper.status() == .init(expiresAtSeconds: token.expiresAt / 1000, degraded: []))
    // Time may have passed before the store responded.
    let events = bench.log.events.filter { $0 != .storeDown && $0 != .storeUp }
    #expect(events == [.failed, .failed, .authorized])
  }

  @Test func `a token is used while the store fails, and stored when it works again`() async throws {
    let store = TokenTestStore()
    store.setFailure(StoreError(.full, "The disk is full."))
    let bench = TokenBench(store)
    bench.keeper.start()
    let token = try await bench.keeper.token(deadline: bench.deadline())
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
    bench.keeper.start()
    bench.adapter.hold()
    let (keeper, deadline) = (bench.keeper, bench.deadline())
    let caller = Task { try await keeper.token(deadline: deadline) }
    #expect(await eventually { bench.adapter.calls == [.authorize] })
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
    // A second stop returns too.
    await keeper.stop()
  }

  @Test func `a keeper without references is released although its alarm is set`() async throws {
    weak var gone: TokenKeeper?
    let clock: TestClock
    do {
      let bench = TokenBench()
      clock = bench.clock
      gone = bench.keeper
      bench.keeper.start()
      _ = try await bench.keeper.token(deadline: bench.deadline())
    }
    #expect(await eventually { gone == nil })
    clock.advance(by: .seconds(9000))
  }

  @Test func `the keeper's tasks run on the given executor`() async throws {
    let executor = CountingExecutor()
    let bench = TokenBench(executor: executor)
    bench.keeper.start()
    _ = try await bench.keeper.token(deadline: bench.deadline())
    #expect(executor.jobs.load(ordering: .relaxed) >= 3)
  }

  @Test func `log, status and errors show no token`() async throws {
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
      let seen = bench.log.text + "\(error) \(bench.keeper.status()) \(token)"
      #expect(!seen.contains("A1") && !seen.contains("R1"))
      #expect(bench.log.text.contains("refused the refresh token"))
    }
  }

  @Test func `a pair in SQLite survives the keeper and the store`() async throws {
    let folder = StoreFolder()
    let path = folder.file("gateway.db")
    let first = TokenBench(Store(SQLiteDatabase(path: path)))
    first.keeper.start()
    let token = try await first.keeper.token(deadline: first.deadline())
    // Neither stopped nor closed, as after a kill.
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
    // On another thread, as with an event loop.
    Task.detached { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
