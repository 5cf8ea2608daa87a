import AdapterAPI
import Synchronization

/// The parameters of a caller's transaction, without its body.
struct PostgresWork: Sendable {
  /// Unique within one `PostgresDatabase`.
  let id: UInt64
  let access: StoreAccess
  let due: Instant
  /// The schema has to be up to date before the work runs.
  var needsSchema = true
}

/// A pool of workers: threads with one connection each, created on demand and reused.
///
/// `PostgresPoolState` decides; this class does the blocking work.
final class PostgresPool: Sendable {
  private let endpoint: PostgresEndpoint
  private let schema: PostgresSchema
  private let threads: PostgresThreads
  /// Raised on closing: ends every wait for a connection.
  private let stop: PostgresSignal
  private let signals: [PostgresSignal]
  private let state: Mutex<PostgresPoolState<any PostgresJob>>

  /// The idle time after which a connection is closed.
  private static let idleTime = Duration.seconds(60)
  /// The number of times that a transaction is repeated after a conflict with another transaction.
  private static let repeats = 3

  init(
    size: Int, _ endpoint: PostgresEndpoint, _ schema: PostgresSchema, _ threads: PostgresThreads, stop: PostgresSignal
  ) {
    self.endpoint = endpoint
    self.schema = schema
    self.threads = threads
    self.stop = stop
    signals = (0..<size).map { _ in PostgresSignal() }
    state = Mutex(PostgresPoolState(size: size))
  }

  // MARK: Callers

  func submit(_ job: any PostgresJob) {
    let work = job.work
    switch state.withLock({ $0.admit(job, id: work.id, due: work.due, at: .current) }) {
    case .start(let index):
      if threads.start({ [self] in run(index) }) { return }
      refuse(state.withLock { $0.ended(index) }, .postgresThread)
    case .wake(let index): signals[index].raise()
    case .queued: break
    case .refused(let error): job.fail(error)
    }
  }

  /// Removes a waiting job whose caller's time is over.
  ///
  /// - Returns: false when a worker has the job.
  func remove(_ id: UInt64) -> Bool { state.withLock { $0.remove(id) } }

  /// A worker has a connection that is believed to work.
  var hasConnection: Bool { state.withLock { $0.hasConnection } }

  func close() {
    for index in state.withLock({ $0.close() }) { signals[index].raise() }
  }

  /// Fails the jobs that still wait.
  func abandon() { refuse(state.withLock { $0.takeQueue() }, .closed) }

  private func refuse(_ jobs: [any PostgresJob], _ error: StoreError) {
    for job in jobs { job.fail(error) }
  }

  // MARK: A worker's thread

  private func run(_ index: Int) {
    var connection: PostgresConnection?
    while true {
      switch state.withLock({ $0.step(index, at: .current) }) {
      case .work(let job, let reuse):
        if !reuse { connection = nil }
        perform(job, index, &connection)
      case .wait:
        let isWoken = signals[index].wait(until: connection == nil ? .distantFuture : .current + Self.idleTime)
        signals[index].clear()
        if isWoken { continue }
        connection = nil
        refuse(state.withLock { $0.disconnected(index) }, .postgresLost)
      case .end:
        return
      }
    }
  }

  private func perform(_ job: any PostgresJob, _ index: Int, _ connection: inout PostgresConnection?) {
    var repeats = 0
    var mayReconnect = true
    while true {
      let open: PostgresConnection
      do throws(StoreError) {
        if let connection { open = connection } else { open = try endpoint.connect(stop) }
        connection = open
        if job.work.needsSchema { try schema.prepare(open) }
      } catch {
        connection = nil
        refuse(state.withLock { $0.failed(index, error, isSilent: false, at: .current) }, error)
        return job.fail(error)
      }
      state.withLock { $0.connected(index) }
      // The caller has been resumed by its timer.
      guard .current < job.work.due else { return job.fail(.postgresSilent) }
      let failure = open.transaction(job.work.access, schema: schema.name, until: job.work.due) {
        (session) throws(StoreError) in
        try job.run(session)
      }
      guard let failure else { return job.succeed() }
      if failure.error.code == .outdated { schema.invalidate() }
      if open.isLost { drop(&connection, index, failure.error) }
      switch failure.aftermath {
      case .conflict where repeats < Self.repeats: repeats += 1
      case .lost where mayReconnect && !open.isStopped: mayReconnect = false
      case .usable, .conflict, .lost, .unknown: return job.fail(failure.error)
      }
    }
  }

  private func drop(_ connection: inout PostgresConnection?, _ index: Int, _ error: StoreError) {
    let isSilent = connection?.isSilent == true
    connection = nil
    let refused = state.withLock { state in
      isSilent ? state.failed(index, error, isSilent: true, at: .current) : state.disconnected(index)
    }
    refuse(refused, error)
  }
}
