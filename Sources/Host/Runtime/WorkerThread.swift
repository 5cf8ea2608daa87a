import Glibc

/// An executor that runs the jobs of an actor, one after another, on its own thread.
///
/// Blocking there (on a disk or a lock) blocks no event loop. The queue holds jobs of waiting tasks, so their number
/// limits its length. The thread is created for the first job, and ends when the last reference to this object is gone
/// and the queue is empty.
final class WorkerThread: SerialExecutor {
  private let queue = JobQueue()

  deinit { queue.finish() }

  func enqueue(_ job: consuming ExecutorJob) {
    guard queue.append(UnownedJob(job), on: self) else { return }
    let status = DetachedThread.start { [queue] in queue.run() }
    // Without the thread no job would ever run, so the process can't continue (limits on threads, no memory).
    guard status == 0 else {
      fatalError("A worker thread could not be created (error \(status)). Raise the limit of threads.")
    }
  }
}

/// The jobs in order of arrival, and the thread's loop.
///
/// `@unchecked Sendable`: `jobs`, `isFinished` and `hasThread` are accessed only while `mutex` is held. The two
/// pointers never change and live as long as the object, which the thread keeps alive until its loop has ended.
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

  /// - Returns: true for the first job, whose caller must create the thread.
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

  /// Waits for jobs and returns all of them; nil at the end.
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
