import AdapterAPI

/// An object that lives on an event loop, with an optional deadline and an optional descriptor in the loop's epoll set. Touched by
/// its loop's thread only; not `Sendable`.
class LoopObject {
  final let loop: EventLoop
  /// The index in the loop's table, and the number of times that index was used: a stale event or timer never reaches a new object.
  fileprivate(set) var slot: UInt32 = .max
  fileprivate(set) var generation: UInt32 = 0
  private var deadlineAt = Int64.max
  /// The earliest entry of this object in the heap.
  private var armedAt = Int64.max

  init(loop: EventLoop) { self.loop = loop }

  var isRegistered: Bool { slot != .max }
  final var id: UInt64 { UInt64(generation) << 32 | UInt64(slot) }

  /// `deadlineReached` is called once this has passed; nil: never. A later deadline costs nothing: the heap's entry stays, and is
  /// replaced when it fires.
  final var deadline: Instant? {
    get { deadlineAt == .max ? nil : Instant(nanoseconds: deadlineAt) }
    set {
      deadlineAt = newValue?.nanoseconds ?? .max
      if deadlineAt < armedAt, isRegistered { arm() }
    }
  }

  fileprivate func forgetEntries() { armedAt = .max }

  private func arm() {
    armedAt = deadlineAt
    loop.arm(id, at: deadlineAt)
  }

  /// An entry of this object in the heap was due.
  fileprivate func timerFired(at entry: Int64, now: Int64) {
    if entry >= armedAt { armedAt = .max }
    if deadlineAt <= now {
      deadlineAt = .max
      deadlineReached()
    } else if deadlineAt < armedAt, isRegistered {
      arm()
    }
  }

  /// The deadline has passed; `deadline` is nil by now.
  func deadlineReached() {}

  /// The turn ends in which `EventLoop.sendLater` was called; the object may have closed since.
  func sendNow() {}

  /// The object's descriptor has `EPOLLIN`, `EPOLLOUT`, `EPOLLRDHUP`, `EPOLLHUP` or `EPOLLERR`.
  func handle(events: UInt32) {}
}

/// The table of a loop's objects: slot and generation → object.
struct LoopObjectTable {
  private var objects: [LoopObject?] = []
  private var generations: [UInt32] = []
  private var free: [UInt32] = []
  private(set) var count = 0

  mutating func insert(_ object: LoopObject) {
    precondition(!object.isRegistered)
    // Entries from an earlier stay in the table no longer find the object.
    object.forgetEntries()
    if let slot = free.popLast() {
      object.slot = slot
      object.generation = generations[Int(slot)]
      objects[Int(slot)] = object
    } else {
      object.slot = UInt32(objects.count)
      object.generation = 0
      objects.append(object)
      generations.append(0)
    }
    count += 1
  }

  mutating func remove(_ object: LoopObject) {
    guard object.isRegistered else { return }
    let slot = Int(object.slot)
    objects[slot] = nil
    generations[slot] &+= 1
    free.append(object.slot)
    object.slot = .max
    count -= 1
  }

  func object(_ id: UInt64) -> LoopObject? {
    let slot = Int(id & 0xffff_ffff)
    guard slot < objects.count, generations[slot] == UInt32(id >> 32) else { return nil }
    return objects[slot]
  }

  func timerFired(_ entry: TimerHeap.Entry, now: Int64) { object(entry.id)?.timerFired(at: entry.at, now: now) }

  var all: [LoopObject] { objects.compactMap { $0 } }
}
