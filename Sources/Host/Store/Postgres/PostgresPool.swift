import AdapterAPI
import Synchronization

/// What a caller wants of a lane, beside its body.
struct PostgresWork: Sendable {
  /// Distinct in the process's use of one database.
  let id: UInt64
  let access: StoreAccess
  let due: Instant
  /// The schema has to be up to date first.
  var needsSchema = true
}

/// One lane's workers: threads with a connection each, made when they are needed, and kept.
///
/// `PostgresPoolState` decides; here is what blocks.
final class PostgresPool: Sendable {
  private let endpoint: PostgresEndpoint
  private let schema: PostgresSchema
  private let threads: PostgresThreads
  /// Raised at the end: no connection is waited for any more.
  private let stop: PostgresSignal
  private let signals: [PostgresSignal]
  private let state: Mutex<PostgresPoolState<any PostgresJob>>

  /// After that time without work a connection is given back to the server.
  private static let idleTime = Duration.seconds(60)
  /// How often a transaction is run again that others' changes made impossible.
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

  /// The caller's time is over.
  func forget(_ id: UInt64) { state.withLock { $0.forget(id) } }

  func close() {
    for index in state.withLock({ $0.close() }) { signals[index].raise() }
  }

  /// Sends away those who still wait.
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
      // Nobody waits for the answer.
      guard .current < job.work.due else { return job.fail(.postgresSilent) }
      let failure = open.transaction(job.work.access, schema: schema.name, until: job.work.due) {
        (session) throws(StoreError) in
        try job.run(session)
      }
      guard let failure else { return job.succeed() }
      if failure.error.code == .outdated { schema.distrust() }
      if open.isLost { drop(&connection, index, failure.error) }
      switch failure.remains {
      case .conflict where repeats < Self.repeats: repeats += 1
      case .nothing where mayReconnect && !open.isStopped: mayReconnect = false
      case .connection, .conflict, .nothing, .unknown: return job.fail(failure.error)
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
