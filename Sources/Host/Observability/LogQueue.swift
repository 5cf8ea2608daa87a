import Glibc

/// A bounded buffer between the program and the log's descriptor, emptied by a thread of its own. Used on any thread.
///
/// A line is copied under a lock that is never held during I/O. A stopped terminal or a full pipe therefore costs lines, never
/// time: lines that do not fit are counted, and the count is written as soon as there is room. The first line after a pause is
/// written at once; lines that follow within `rest` are written together, so that the thread is not woken for each of them.
///
/// `@unchecked Sendable`: every `var` is used with `lock` held only.
final class LogQueue: @unchecked Sendable {
  private let descriptor: Int32
  private let capacity: Int
  /// Makes the line that reports dropped lines.
  private let notice: @Sendable (_ dropped: Int) -> [UInt8]

  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  /// Signalled when there is a line to write, or when the queue stops.
  private let filled: UnsafeMutablePointer<pthread_cond_t>
  /// Signalled after each write.
  private let emptied: UnsafeMutablePointer<pthread_cond_t>

  private var pending: [UInt8] = []
  private var dropped = 0
  private var droppedEver = 0
  /// The numbers of lines appended and written, for `flush`.
  private var taken: UInt64 = 0
  private var handled: UInt64 = 0
  /// The thread waits for a line. Between two writes it wakes by itself.
  private var isIdle = false
  private var flushers = 0
  private var isStopping = false
  private var hasEnded = false

  /// The time for which lines are gathered, and the number of bytes that ends it early.
  private static let rest = Duration.milliseconds(10)
  private static let restLimit = 64 << 10

  init(descriptor: Int32, capacity: Int, notice: @escaping @Sendable (_ dropped: Int) -> [UInt8]) {
    self.descriptor = descriptor
    self.capacity = capacity
    self.notice = notice
    lock = .allocate(capacity: 1)
    filled = .allocate(capacity: 1)
    emptied = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(filled, &attributes)
    pthread_cond_init(emptied, &attributes)
    pthread_condattr_destroy(&attributes)
    startThread()
  }

  /// Runs after the thread has ended, because the thread holds the queue.
  deinit {
    pthread_cond_destroy(filled)
    pthread_cond_destroy(emptied)
    pthread_mutex_destroy(lock)
    filled.deallocate()
    emptied.deallocate()
    lock.deallocate()
  }

  /// Appends a line, or counts it as dropped if the buffer is full. Never waits for the descriptor.
  func append(_ line: [UInt8]) {
    pthread_mutex_lock(lock)
    if isStopping || line.count > capacity - pending.count {
      dropped += 1
      droppedEver += 1
    } else {
      pending.append(contentsOf: line)
    }
    taken &+= 1
    if isIdle || pending.count > LogQueue.restLimit { pthread_cond_signal(filled) }
    pthread_mutex_unlock(lock)
  }

  /// The number of lines dropped since the start.
  var lost: Int {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return droppedEver
  }

  /// Waits until the lines so far are written. Returns false if that takes longer than `timeout`.
  @discardableResult
  func flush(timeout: Duration) -> Bool {
    var end = System.monotonic(after: timeout)
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    let goal = taken
    flushers += 1
    defer { flushers -= 1 }
    pthread_cond_signal(filled)
    while handled < goal {
      if hasEnded { return false }
      if pthread_cond_timedwait(emptied, lock, &end) == ETIMEDOUT { return handled >= goal }
    }
    return true
  }

  /// Writes the pending lines, then ends the thread. Later lines are dropped.
  func stop() {
    pthread_mutex_lock(lock)
    isStopping = true
    pthread_cond_signal(filled)
    pthread_mutex_unlock(lock)
  }

  private func startThread() {
    let holder = Unmanaged.passRetained(self)
    // Signals are handled on the main thread only, and a write to a closed pipe must fail with EPIPE here.
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let failure = pthread_create(
      &thread, &attributes,
      { argument in
        if let argument { Unmanaged<LogQueue>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, holder.toOpaque())
    if failure != 0 {
      // Without a thread every line is counted as dropped.
      isStopping = true
      hasEnded = true
      holder.release()
    }
  }

  private func run() {
    var writing: [UInt8] = []
    while true {
      pthread_mutex_lock(lock)
      isIdle = true
      while pending.isEmpty, dropped == 0, !isStopping { pthread_cond_wait(filled, lock) }
      isIdle = false
      swap(&pending, &writing)
      let missing = dropped
      dropped = 0
      let goal = taken
      let isLast = isStopping
      pthread_mutex_unlock(lock)

      write(writing)
      if missing > 0 { write(notice(missing)) }
      // Releases the memory of a burst.
      writing.removeAll(keepingCapacity: writing.capacity <= 64 << 10)

      pthread_mutex_lock(lock)
      handled = goal
      hasEnded = isLast
      pthread_cond_broadcast(emptied)
      if !isStopping, flushers == 0 {
        var end = System.monotonic(after: LogQueue.rest)
        pthread_cond_timedwait(filled, lock, &end)
      }
      pthread_mutex_unlock(lock)
      if isLast { return }
    }
  }

  /// Writes all bytes. If the descriptor is closed or broken they are lost, because there is no other place to report it.
  private func write(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return }
      var offset = 0
      while offset < raw.count {
        let count = Glibc.write(descriptor, base + offset, raw.count - offset)
        if count > 0 {
          offset += count
        } else if count < 0, errno == EAGAIN || errno == EWOULDBLOCK {
          var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          _ = poll(&waiting, 1, -1)
        } else if count < 0, errno == EINTR {
          continue
        } else {
          return
        }
      }
    }
  }
}
