import AdapterAPI
import CLinux
import Glibc
import Synchronization

/// One thread with an epoll set, timers, an inbox, and the Swift tasks that prefer it.
///
/// A turn: wait, hand out events, fire timers, take what other threads sent, run the tasks that became ready, send. Everything
/// that lives on the loop is touched by its thread only.
///
/// `@unchecked Sendable`: `inbox`, `awake` and `stopping` may be touched from anywhere; `thread` is written once, before `start`
/// returns, and then only read; every other stored variable is touched by the loop's thread only. What reaches it are the loop's
/// own objects, which are not `Sendable`, and `LoopBound`, which checks.
final class EventLoop: TaskExecutor, @unchecked Sendable {
  /// Position in its group.
  let index: Int
  private let epoll = System.epollCreate()
  private let wakeUp = System.eventFD()
  private let inbox = Mutex<Inbox>(Inbox())
  /// False while the loop waits in the kernel, so that only then somebody has to write to the eventfd.
  private let awake = Atomic<Bool>(true)
  private let stopping = Atomic<Bool>(false)

  private var thread = pthread_t()
  private var objects = LoopObjectTable()
  private var timers = TimerHeap()
  private var jobs: [UnownedJob] = []
  private var runningJobs: [UnownedJob] = []
  /// What has something to send at the end of this turn.
  private var senders: [LoopObject] = []
  private var sending: [LoopObject] = []
  private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: EventLoop.eventsPerTurn)
  /// Lent to a client's connection while it takes in what it received; nobody keeps anything in it beyond that.
  let scratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: EventLoop.scratchSize)
  /// The same for connections to upstreams: a request may go out, and its answer come in, while its client's bytes are looked at.
  let upstreamScratch = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: EventLoop.upstreamScratchSize)
  var pipes = PipePool()
  /// Monotonic nanoseconds, taken once a turn.
  private(set) var now = Instant(nanoseconds: System.monotonic())

  /// Counts the turns: what is older than this one has been looked at by the kernel's own list of events.
  private(set) var turns = 0

  static let scratchSize = 64 << 10
  /// A head, and as much of the body behind it as is held back, in one read.
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

  func assertOnLoop() { precondition(isCurrent, "touched from another thread than its event loop's") }

  /// Starts the thread. Returns when it runs.
  func start() {
    let started = ThreadSignal()
    let start = Unmanaged.passRetained(Start(loop: self, started: started))
    // The thread writes `thread` itself, before anybody can ask for it.
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
    // Work that came too late is not done. It may hold the loop, which holds it; let go outside the lock, where it may post again.
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
      // Rounded up, so that a timer is never looked at a moment too early.
      timeout = Int32(clamping: max(0, (first - System.monotonic() + 999_999) / 1_000_000))
    }
    var count = epoll_wait(epoll, events, Int32(EventLoop.eventsPerTurn), timeout)
    // A process that was stopped and goes on is told nothing but EINTR (signal(7)). What came meanwhile counts before the
    // deadlines that have passed meanwhile.
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

  // MARK: work from elsewhere

  /// Runs the work on the loop's thread: in a later turn, or at once when it is called there.
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

  /// Runs what is ready; what becomes ready meanwhile waits for one more round, then for the next turn, so that tasks that keep
  /// waking each other don't starve the sockets.
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

  /// What leaves at the end of the turn is put together here, one message behind the other.
  var outgoing = ByteBuffer()
  private static let outgoingSize = 256 << 10

  /// One more message may wait in `outgoing` for the end of the turn; else it is to be sent at once.
  var hasRoom: Bool { outgoing.count < EventLoop.outgoingSize }

  /// Lets the object send at the end of this turn (`sendNow`), after those that asked before.
  ///
  /// Sent one right after another, many small messages cost a tenth less than each at its own time: a peer that sleeps is woken
  /// once for several of them, and the kernel's code stays in the processor's caches.
  func sendLater(_ object: LoopObject) { senders.append(object) }

  /// What comes up meanwhile waits for the next turn.
  private func send() {
    guard !senders.isEmpty else { return }
    swap(&senders, &sending)
    for object in sending { object.sendNow() }
    sending.removeAll(keepingCapacity: true)
    if senders.isEmpty { outgoing.removeAll(keeping: 2 * EventLoop.outgoingSize) }
  }

  // MARK: objects

  /// Takes an object without a descriptor, for its deadline.
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

  /// Takes the object out. Its descriptor leaves the epoll set when it is closed; one that stays open is named here.
  func remove(_ object: LoopObject, keepingOpen fd: Int32? = nil) {
    assertOnLoop()
    if let fd { _ = pg_epoll_delete(epoll, fd) }
    objects.remove(object)
  }

  func arm(_ id: UInt64, at deadline: Int64) {
    timers.push(TimerHeap.Entry(at: deadline, id: id)) { objects.object($0.id) != nil }
  }

  /// How many deadlines are remembered, with those of objects that are gone.
  var timerCount: Int { timers.count }

  /// Every object on the loop, for drain and shutdown.
  var allObjects: [LoopObject] { objects.all }
}
