import AdapterAPI

/// Assigns jobs to the workers of one pool, and decides when to reconnect. `PostgresPool` acts on the decisions.
///
/// A worker is a thread with at most one connection. While no connection works, one caller at a time tries to connect,
/// at growing intervals; the other callers fail at once with the last error.
struct PostgresPoolState<Job> {
  enum Admission {
    /// Start the worker's thread.
    case start(Int)
    /// Wake the worker, which has a job now.
    case wake(Int)
    /// The next free worker takes the job.
    case queued
    case refused(StoreError)
  }

  enum Step {
    /// - Parameter reuse: whether the worker's present connection may be used.
    case work(Job, reuse: Bool)
    case wait
    case end
  }

  private struct Worker {
    var isStarted = false
    /// Has a job, or is about to fetch one.
    var isBusy = false
    var job: Job?
    var due = Instant.distantFuture
    /// Has a connection that is believed to work.
    var isConnected = false
    /// Tries whether the server is available again.
    var isProbe = false
  }

  private struct Failure {
    let error: StoreError
    let delay: Duration
    let retryAt: Instant
  }

  private struct Waiter {
    let id: UInt64
    let job: Job
    let due: Instant
  }

  static var queueLimit: Int { 64 }
  static var firstDelay: Duration { .milliseconds(100) }
  static var longestDelay: Duration { .seconds(2) }
  /// A worker that is overdue by this time is blocked in a call without a deadline, such as name resolution.
  static var stuckAfter: Duration { .seconds(4) }

  private var workers: [Worker]
  private var queue: [Waiter] = []
  private var failure: Failure?
  private var isClosed = false

  init(size: Int) { workers = Array(repeating: Worker(), count: size) }

  // MARK: Callers

  mutating func admit(_ job: Job, id: UInt64, due: Instant, at now: Instant) -> Admission {
    if isClosed { return .refused(.closed) }
    if let failure, !hasConnection, !mayConnect(now) { return .refused(failure.error) }
    if let index = workers.firstIndex(where: { $0.isStarted && !$0.isBusy && $0.isConnected }) {
      assign(job, due, to: index)
      return .wake(index)
    }
    if mayConnect(now) {
      if let index = workers.firstIndex(where: { $0.isStarted && !$0.isBusy }) {
        assign(job, due, to: index)
        return .wake(index)
      }
      if let index = workers.firstIndex(where: { !$0.isStarted }) {
        workers[index].isStarted = true
        assign(job, due, to: index)
        return .start(index)
      }
    }
    if workers.allSatisfy({ $0.isBusy && $0.due + Self.stuckAfter < now }) { return .refused(.postgresSilent) }
    guard queue.count < Self.queueLimit else { return .refused(.postgresBusy) }
    queue.append(Waiter(id: id, job: job, due: due))
    return .queued
  }

  /// Removes a waiting job.
  ///
  /// - Returns: whether it was waiting.
  @discardableResult
  mutating func remove(_ id: UInt64) -> Bool {
    guard let index = queue.firstIndex(where: { $0.id == id }) else { return false }
    queue.remove(at: index)
    return true
  }

  private mutating func assign(_ job: Job, _ due: Instant, to index: Int) {
    workers[index].job = job
    workers[index].due = due
    workers[index].isBusy = true
    workers[index].isProbe = failure != nil && !workers[index].isConnected
  }

  var hasConnection: Bool { workers.contains { $0.isConnected } }

  private func mayConnect(_ now: Instant) -> Bool {
    guard let failure else { return true }
    return now >= failure.retryAt && !workers.contains { $0.isProbe }
  }

  // MARK: Workers

  /// Returns the worker's next step.
  mutating func step(_ index: Int, at now: Instant) -> Step {
    if workers[index].job == nil, !queue.isEmpty, workers[index].isConnected || mayConnect(now) {
      let waiter = queue.removeFirst()
      assign(waiter.job, waiter.due, to: index)
    }
    if let job = workers[index].job {
      workers[index].job = nil
      return .work(job, reuse: workers[index].isConnected)
    }
    workers[index].isBusy = false
    workers[index].isProbe = false
    return isClosed ? .end : .wait
  }

  mutating func connected(_ index: Int) {
    workers[index].isConnected = true
    workers[index].isProbe = false
    failure = nil
  }

  /// The worker's connection was lost, which says nothing about the server.
  ///
  /// - Returns: the jobs to fail: no connection remains and none may be made now.
  mutating func disconnected(_ index: Int) -> [Job] {
    workers[index].isConnected = false
    return failure == nil || hasConnection ? [] : takeQueue()
  }

  /// The worker could not connect, or the server did not respond.
  ///
  /// - Parameter isSilent: the server did not respond, so idle connections are suspect too.
  /// - Returns: the waiting jobs to fail.
  mutating func failed(_ index: Int, _ error: StoreError, isSilent: Bool, at now: Instant) -> [Job] {
    workers[index].isConnected = false
    workers[index].isProbe = false
    if isSilent { for other in workers.indices where !workers[other].isBusy { workers[other].isConnected = false } }
    // A failure during the delay belongs to an attempt from before it.
    if let failure, now < failure.retryAt {
      self.failure = Failure(error: error, delay: failure.delay, retryAt: failure.retryAt)
    } else {
      let delay = failure.map { min($0.delay * 2, Self.longestDelay) } ?? Self.firstDelay
      failure = Failure(error: error, delay: delay, retryAt: now + delay)
    }
    return hasConnection ? [] : takeQueue()
  }

  // MARK: Closing

  /// Stops accepting jobs; waiting jobs still run.
  ///
  /// - Returns: the idle workers, which have to be woken.
  mutating func close() -> [Int] {
    isClosed = true
    return workers.indices.filter { workers[$0].isStarted && !workers[$0].isBusy }
  }

  mutating func takeQueue() -> [Job] {
    defer { queue = [] }
    return queue.map(\.job)
  }

  /// The thread that `start` asked for could not be created.
  ///
  /// - Returns: the jobs to fail: the worker's, and the waiting ones when no worker is left.
  mutating func ended(_ index: Int) -> [Job] {
    let job = workers[index].job
    workers[index] = Worker()
    return [job].compactMap { $0 } + (workers.contains { $0.isStarted } ? [] : takeQueue())
  }
}
