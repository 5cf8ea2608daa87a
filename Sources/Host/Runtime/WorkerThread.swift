import Glibc

/// One thread that runs the jobs of an actor, one after another.
///
/// What blocks there (a disk, a lock) blocks no event loop. Its queue holds jobs of tasks that wait for an answer, so
/// it is as short as there are such tasks. The thread is made for the first job, and ends when the last reference to
/// this object is gone and the queue is empty; nobody waits for it.
final class WorkerThread: SerialExecutor {
  private let queue = JobQueue()

  deinit { queue.finish() }

  func enqueue(_ job: consuming ExecutorJob) {
    guard queue.append(UnownedJob(job), on: self) else { return }
    let status = DetachedThread.start { [queue] in queue.run() }
    // Without a thread no job would ever run; there is nothing to go on with (limits on threads, no memory).
    guard status == 0 else {
      fatalError("A worker thread could not be created (error \(status)). Raise the limit of threads.")
    }
  }
}

/// Jobs in the order of their arrival, and the thread's loop over them.
///
/// `@unchecked Sendable`: `jobs`, `isFinished` and `hasThread` are touched with `mutex` held only; the two pointers never change and
/// live as long as the object, which the thread itself keeps alive until its loop has ended.
private final class JobQueue: @unchecked Sendable {
  /// A job keeps its executor alive until it has run.
  private struct Entry {
    let job: UnownedJob
    let executor: WorkerThread
  }

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var jobs: [Entry] = []
  private var isFinished = false
  private var hasThread = false

  init() {
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    condition.initialize(to: pthread_cond_t())
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// - Returns: true for the first job, for which somebody has to make the thread.
  func append(_ job: UnownedJob, on executor: WorkerThread) -> Bool {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    jobs.append(Entry(job: job, executor: executor))
    pthread_cond_signal(condition)
    defer { hasThread = true }
    return !hasThread
  }

  func finish() {
    pthread_mutex_lock(mutex)
    isFinished = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  func run() {
    while let batch = next() {
      for entry in batch { entry.job.runSynchronously(on: entry.executor.asUnownedSerialExecutor()) }
    }
  }

  /// Everything that is waiting, or nil at the end.
  private func next() -> [Entry]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while jobs.isEmpty {
      if isFinished { return nil }
      pthread_cond_wait(condition, mutex)
    }
    let batch = jobs
    jobs.removeAll(keepingCapacity: true)
    return batch
  }
}
