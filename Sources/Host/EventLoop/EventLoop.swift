import AdapterAPI
import CLinux
import Glibc
import Synchronization

/// One thread with an epoll set, timers, an inbox, and the Swift tasks that prefer it.
///
/// A turn: wait, deliver events, fire timers, take work from other threads, run the tasks that became ready, send. Everything that
/// lives on the loop is touched by its thread only.
///
/// `@unchecked Sendable`: `inbox`, `awake` and `stopping` are safe on any thread; `thread` is written once, before `start` returns,
/// and then only read; every other stored variable is touched by the loop's thread only, because it is reached only from the loop's
/// objects, which are not `Sendable`, and from `LoopBound`, which checks.
final class EventLoop: TaskExecutor, @unchecked Sendable {
  /// The position in its group, from 0.
  let index: Int
  private let epoll = System.epollCreate()
  private let wakeUp = System.eventFD()
  private let inbox = Mutex<Inbox>(Inbox())
  /// False while the loop waits in the kernel: only then another thread has to write to the eventfd.
  private let awake = Atomic<Bool>(true)
  private let stopping = Atomic<Bool>(false)

  private var thread = pthread_t()
  private var objects = LoopObjectTable()
  private var timers = TimerHeap()
  private var jobs: [UnownedJob] = []
  private var runningJobs: [UnownedJob] = []
  /// The objects that send at the end of this turn.
  private var senders: [LoopObject] = []
  private var sending: [LoopObject] = []
  private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: EventLoop.eventsPerTurn)
  /// Lent to a client's connection for one read; its bytes are not used after that.
  let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: EventLoop.scratchSize)
  /// Lent to an upstream's connection likewise. Apart, for an upstream may be read while the client's bytes are still in use.
  let upstreamScratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: EventLoop.upstreamScratchSize)
  var pipes = PipePool()
  /// The time at the start of this turn.
  private(set) var now = Instant(nanoseconds: System.monotonic())
  /// Incremented once per `epoll_wait`. A connection idle since an earlier turn has had its events delivered.
  private(set) var turns = 0

  static let scratchSize = 64 << 10
  /// Room for a response's head and the 64 KiB of its body that are read before the rest streams.
  static let upstreamScratchSize = 68 << 10
  private static let eventsPerTurn = 256
  private static let wakeUpID = UInt64.max

  private struct Inbox {
    var jobs: [UnownedJob] = []
    var work: [@Sendable () -> Void] = []
  }

  init(index: Int) {
    self.index = index
    let result = pg_epoll_add(epoll, wakeUp, PG_EPOLLIN, EventLoop.wakeUpID)
    precondition(result == 0, "epoll_ctl: \(System.errorText(errno))")
  }

  deinit {
    System.close(epoll)
    System.close(wakeUp)
    events.deallocate()
    scratch.deallocate()
    upstreamScratch.deallocate()
    pipes.closeAll()
  }

  // MARK: thread

  private static let currentKey: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
  }()

  /// The loop whose thread this is, or nil.
  static var current: EventLoop? {
    guard let pointer = pthread_getspecific(currentKey) else { return nil }
    return Unmanaged<EventLoop>.fromOpaque(pointer).takeUnretainedValue()
  }

  var isCurrent: Bool { pthread_equal(pthread_self(), thread) != 0 }

  func assertOnLoop() { precondition(isCurrent, "touched on a thread other than its event loop's") }

  /// Starts the thread; returns when it runs.
  func start() {
    let started = ThreadSignal()
    let start = Unmanaged.passRetained(Start(loop: self, started: started))
    // The thread itself writes `thread`, before another thread can read it.
    var created = pthread_t()
    let result = pthread_create(
      &created, nil,
      { argument in
        let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
        start.loop.run(start.started)
        return nil
      }, start.toOpaque())
    precondition(result == 0, "pthread_create: \(System.errorText(result))")
    started.wait()
  }

  private final class Start {
    let loop: EventLoop
    let started: ThreadSignal
    init(loop: EventLoop, started: ThreadSignal) {
      self.loop = loop
      self.started = started
    }
  }

  /// Ends the loop after the current turn and waits for its thread.
  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    wake()
    pthread_join(thread, nil)
    // Late work is dropped: it may hold the loop, which holds it. Released outside the lock, because its release may post again.
    _ = inbox.withLock { inbox in
      defer { inbox.work = [] }
      return inbox.work
    }
  }

  private func run(_ started: ThreadSignal) {
    thread = pthread_self()
    pthread_setspecific(EventLoop.currentKey, Unmanaged.passUnretained(self).toOpaque())
    pthread_setname_np(thread, "loop-\(index)")
    started.signal()
    while !stopping.load(ordering: .relaxed) { turn() }
  }

  private func turn() {
    let count = wait()
    turns &+= 1
    now = Instant(nanoseconds: System.monotonic())
    for index in 0..<count {
      let id = pg_epoll_data(events, Int32(index))
      if id == EventLoop.wakeUpID {
        var counter: UInt64 = 0
        _ = read(wakeUp, &counter, 8)
      } else if let object = objects.object(id) {
        object.handle(events: pg_epoll_events(events, Int32(index)))
      }
    }
    while let entry = timers.pop(ifDueAt: now.nanoseconds) { objects.timerFired(entry, now: now.nanoseconds) }
    takeInbox()
    runJobs()
    send()
  }

  private func wait() -> Int {
    awake.store(false, ordering: .sequentiallyConsistent)
    var timeout: Int32 = -1
    if !jobs.isEmpty || !senders.isEmpty || inbox.withLock({ !$0.jobs.isEmpty || !$0.work.isEmpty })
      || stopping.load(ordering: .relaxed)
    {
      timeout = 0
    } else if let first = timers.first {
      // Rounded up, so that the loop never wakes just before a deadline.
      timeout = Int32(clamping: max(0, (first - System.monotonic() + 999_999) / 1_000_000))
    }
    var count = epoll_wait(epoll, events, Int32(EventLoop.eventsPerTurn), timeout)
    // A process that was stopped and continues gets EINTR only (signal(7)). Events that came meanwhile are delivered before the
    // deadlines that passed meanwhile.
    if count < 0, errno == EINTR { count = epoll_wait(epoll, events, Int32(EventLoop.eventsPerTurn), 0) }
    awake.store(true, ordering: .relaxed)
    precondition(count >= 0 || errno == EINTR, "epoll_wait: \(System.errorText(errno))")
    return max(0, Int(count))
  }

  private func wake() {
    guard !awake.load(ordering: .sequentiallyConsistent) || stopping.load(ordering: .relaxed) else { return }
    var one: UInt64 = 1
    _ = write(wakeUp, &one, 8)
  }

  // MARK: work from other threads

  /// Runs the work on the loop's thread: at once when called there, else in a later turn.
  func execute(_ work: @escaping @Sendable () -> Void) {
    if isCurrent { return work() }
    post(work)
  }

  /// Runs the work on the loop's thread in a later turn.
  func post(_ work: @escaping @Sendable () -> Void) {
    inbox.withLock { $0.work.append(work) }
    wake()
  }

  private func takeInbox() {
    let (newJobs, work) = inbox.withLock { inbox in
      let taken = (inbox.jobs, inbox.work)
      if !taken.0.isEmpty { inbox.jobs = [] }
      if !taken.1.isEmpty { inbox.work = [] }
      return taken
    }
    jobs.append(contentsOf: newJobs)
    for item in work { item() }
  }

  // MARK: tasks

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent {
      jobs.append(job)
    } else {
      inbox.withLock { $0.jobs.append(job) }
      wake()
    }
  }

  /// Runs the ready tasks, then the tasks that became ready meanwhile; further ones wait for the next turn, so that tasks that keep
  /// resuming each other don't starve the sockets.
  private func runJobs() {
    for _ in 0..<2 where !jobs.isEmpty {
      swap(&jobs, &runningJobs)
      for job in runningJobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
      runningJobs.removeAll(keepingCapacity: true)
    }
  }

  /// Resumes a task that waits on this loop, and runs it at once up to its next wait.
  func runNow(_ resume: () -> Void) {
    let count = jobs.count
    resume()
    precondition(jobs.count == count + 1, "the task did not wait on this loop")
    jobs.removeLast().runSynchronously(on: asUnownedTaskExecutor())
  }

  // MARK: sending

  /// Messages that leave at the end of the turn, one behind the other.
  var outgoing = ByteBuffer()
  private static let outgoingSize = 256 << 10

  /// `outgoing` has room for one more message, which else is sent at once.
  var hasRoom: Bool { outgoing.count < EventLoop.outgoingSize }

  /// Calls the object's `sendNow` at the end of this turn, in the order of the calls.
  ///
  /// Many small messages sent one right after another cost a tenth less: a sleeping peer is woken once for several of them, and the
  /// kernel's code stays in the processor's caches.
  func sendLater(_ object: LoopObject) { senders.append(object) }

  /// Calls made meanwhile wait for the next turn.
  private func send() {
    guard !senders.isEmpty else { return }
    swap(&senders, &sending)
    for object in sending { object.sendNow() }
    sending.removeAll(keepingCapacity: true)
    if senders.isEmpty { outgoing.removeAll(keeping: 2 * EventLoop.outgoingSize) }
  }

  // MARK: objects

  /// Adds an object without a descriptor, for its deadline.
  func add(_ object: LoopObject) {
    assertOnLoop()
    objects.insert(object)
    let deadline = object.deadline
    object.deadline = deadline
  }

  /// Adds an object with its descriptor: edge-triggered, in both directions, until the descriptor is closed.
  ///
  /// - Returns: nil, or the `errno` with which the kernel refused (ENOSPC, ENOMEM); then the object was not added.
  func add(_ object: LoopObject, fd: Int32) -> Int32? {
    add(object, fd: fd, events: PG_EPOLLIN | PG_EPOLLOUT | PG_EPOLLRDHUP | PG_EPOLLET)
  }

  /// Adds a listening socket that several loops share: one of them is woken. Returns what `add` returns.
  func addListener(_ object: LoopObject, fd: Int32) -> Int32? {
    add(object, fd: fd, events: PG_EPOLLIN | PG_EPOLLEXCLUSIVE)
  }

  private func add(_ object: LoopObject, fd: Int32, events: UInt32) -> Int32? {
    add(object)
    if pg_epoll_add(epoll, fd, events, object.id) == 0 { return nil }
    let code = errno
    objects.remove(object)
    return code
  }

  /// Removes the object. Its descriptor leaves the epoll set when it is closed.
  ///
  /// - Parameter fd: a descriptor that stays open.
  func remove(_ object: LoopObject, keepingOpen fd: Int32? = nil) {
    assertOnLoop()
    if let fd { _ = pg_epoll_delete(epoll, fd) }
    objects.remove(object)
  }

  func arm(_ id: UInt64, at deadline: Int64) {
    timers.push(TimerHeap.Entry(at: deadline, id: id)) { objects.object($0.id) != nil }
  }

  /// The number of stored deadlines, including those of removed objects.
  var timerCount: Int { timers.count }

  /// Every object on the loop, for drain and shutdown.
  var allObjects: [LoopObject] { objects.all }
}
