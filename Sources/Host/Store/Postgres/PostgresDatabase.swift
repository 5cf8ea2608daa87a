import AdapterAPI
import Synchronization

/// PostgreSQL as the gateway's store, for any number of processes.
///
/// Tokens have one connection, the catalogue up to three. Callers never wait beyond their limit, whatever the state of
/// the server or the network: a timer resumes them, even when a worker's thread is blocked. While the server is
/// unavailable, callers fail at once, and one caller at a time tries to connect.
final class PostgresDatabase: Database {
  private let schema: PostgresSchema
  private let endpoint: PostgresEndpoint
  private let tokens: PostgresPool
  private let catalogue: PostgresPool
  private let listener: PostgresListener
  private let threads = PostgresThreads()
  private let timers = PostgresTimers()
  private let stop = PostgresSignal()
  private let number = Atomic<UInt64>(0)

  private static let tokenConnections = 1
  private static let catalogueConnections = 3
  /// The largest number of connections, with the one that listens for notifications.
  private static let connections = tokenConnections + catalogueConnections + 1

  /// The time limit of opening: connecting, and possibly waiting for another process that migrates.
  private static let openingTime = PostgresEndpoint.connectTimeout + PostgresSchema.migrationTimeout
  private static let lookingTime = Duration.seconds(10)
  /// On closing, the work under way may finish within the first time; then its connections are cut. The second time
  /// limits the whole of closing.
  private static let finishingTime = Duration.milliseconds(1200)
  private static let closingTime = Duration.milliseconds(1800)

  /// - Parameters:
  ///   - url: a connection string of libpq: `postgresql://…`, or `host=… dbname=…`.
  ///   - schema: the schema of the gateway's tables; need not exist yet.
  ///   - migrate: whether the schema may be changed.
  init(url: Secret, schema: String, migrate: Bool) {
    let endpoint = PostgresEndpoint(url: url, schema: schema)
    self.endpoint = endpoint
    self.schema = PostgresSchema(name: schema, mayMigrate: migrate)
    tokens = PostgresPool(size: Self.tokenConnections, endpoint, self.schema, threads, stop: stop)
    catalogue = PostgresPool(size: Self.catalogueConnections, endpoint, self.schema, threads, stop: stop)
    listener = PostgresListener(endpoint, schema: schema, threads)
  }

  deinit {
    end()
    cut()
    timers.finish()
  }

  var sharing: StoreSharing { .network }

  func open() async throws(StoreError) {
    try await transaction(.tokens, .reading, limit: Self.openingTime) { (_) throws(StoreError) in }
  }

  func transaction<Value: Sendable>(
    _ queue: StoreQueue, _ access: StoreAccess, limit: Duration,
    _ body: @escaping @Sendable (any SQLSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try await perform(queue, PostgresWork(id: next(), access: access, due: .current + limit), limit, body)
  }

  func check(_ queue: StoreQueue, limit: Duration) async throws(StoreError) {
    // As often as the pool has connections: the server may have ended each of them.
    for _ in 0..<3 {
      do throws(StoreError) {
        return try await respond(queue, limit: limit)
      } catch {
        // All connections are in use.
        if error == .postgresWaiting(limit) || error == .postgresBusy { return }
        guard pool(queue).hasConnection else { throw error }
      }
    }
    // A connection works at something long, and further ones can't be had.
  }

  func pendingMigrations() async throws(StoreError) -> [String] {
    let limit = Self.lookingTime
    let work = PostgresWork(id: next(), access: .reading, due: .current + limit, needsSchema: false)
    return try await perform(.catalogue, work, limit) { [schema] (session) throws(StoreError) in
      try schema.pending(session)
    }
  }

  func checkRequirements() async throws(StoreError) {
    let limit = Self.lookingTime
    let work = PostgresWork(id: next(), access: .reading, due: .current + limit, needsSchema: false)
    try await perform(.catalogue, work, limit) { (session) throws(StoreError) in
      try PostgresRequirements.check(session, connections: Self.connections)
    }
  }

  var place: String { endpoint.place }

  func onTokenChange(_ handler: @escaping @Sendable (_ adapter: String, _ version: Int64) -> Void) {
    listener.listen(handler)
  }

  func close() async {
    end()
    let now = Instant.current
    do throws(StoreError) {
      try timers.add(next(), at: now + Self.finishingTime) { [self] in cut() }
      try timers.add(next(), at: now + Self.closingTime) { [threads] in threads.giveUp() }
    } catch {
      // Without the timers' thread there is no time limit, so nothing may wait.
      cut()
    }
    await threads.end()
    cut()
    timers.finish()
  }

  // MARK: Private helpers

  private func pool(_ queue: StoreQueue) -> PostgresPool {
    switch queue {
    case .tokens: tokens
    case .catalogue: catalogue
    }
  }

  private func next() -> UInt64 { number.wrappingAdd(1, ordering: .relaxed).newValue }

  private func perform<Value: Sendable>(
    _ queue: StoreQueue, _ work: PostgresWork, _ limit: Duration,
    _ body: @escaping @Sendable (any SQLSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    let pool = pool(queue)
    let result: Result<Value, StoreError> = await withCheckedContinuation { continuation in
      let call = PostgresCall(work, continuation, body)
      do throws(StoreError) {
        try timers.add(work.id, at: work.due) {
          call.fail(pool.remove(work.id) ? .postgresWaiting(limit) : .postgresOverdue(limit))
        }
        pool.submit(call)
      } catch { call.fail(error) }
    }
    timers.cancel(work.id)
    return try result.get()
  }

  /// Stops accepting work.
  private func end() {
    listener.close()
    tokens.close()
    catalogue.close()
  }

  /// Stops waiting for the server.
  private func cut() {
    stop.raise()
    tokens.abandon()
    catalogue.abandon()
  }
}
