import AdapterAPI

/// The in-flight calls of one stripe and the requests that wait for each. No lock, no clock; nothing is resumed here.
struct InFlightCalls<Waiter> {
  private struct Entry {
    let call: InFlightCall
    var waiters: Waiters<Waiter>
  }

  /// The newest call of each key.
  private var current: [ReadKey: Entry] = [:]
  /// Calls that a later one has replaced because of a write. They continue for the requests that wait.
  private var replaced: [ObjectIdentifier: Entry] = [:]
  /// The gateway drains: no call continues for the response cache alone.
  private var isDraining = false

  /// The time after its start in which a call can be joined while the upstream may not show the last write yet, in nanoseconds. Requests
  /// of the same moment still share a call, and none gets a value that the upstream has replaced since.
  static var joinTime: Int64 { 10_000_000 }

  var isEmpty: Bool { current.isEmpty && replaced.isEmpty }

  /// Whether a request that comes in now may have the call's response.
  private func isOpen(_ call: InFlightCall, _ view: WriteEpoch.View, _ now: Instant) -> Bool {
    guard call.epoch == view.number else { return false }
    return call.began >= view.settledFrom || now.nanoseconds - call.began.nanoseconds <= Self.joinTime
  }

  /// Whether a request for this key that comes in now can join a call.
  func canJoin(_ key: ReadKey, _ view: WriteEpoch.View, now: Instant) -> Bool {
    current[key].map { isOpen($0.call, view, now) } ?? false
  }

  /// Adds a waiter to the call in flight and returns the call, the waiter and its number; nil when there is none to join.
  mutating func join(
    _ key: ReadKey, _ view: WriteEpoch.View, now: Instant, _ makeWaiter: () -> Waiter
  ) -> (call: InFlightCall, waiter: Waiter, number: Int)? {
    guard let index = current.index(forKey: key), isOpen(current.values[index].call, view, now) else { return nil }
    let waiter = makeWaiter()
    return (current.values[index].call, waiter, current.values[index].waiters.add(waiter))
  }

  /// Adds a new call, in place of one that can't be joined any more.
  ///
  /// - Parameter waiter: nil for a call that only renews a cached response.
  /// - Returns: the waiter's number, and the replaced call when no request needs it any more.
  mutating func begin(_ call: InFlightCall, _ waiter: Waiter?) -> (number: Int?, abandoned: InFlightCall?) {
    var waiters = Waiters<Waiter>()
    let number = waiter.map { waiters.add($0) }
    guard let before = current.updateValue(Entry(call: call, waiters: waiters), forKey: call.key) else {
      return (number, nil)
    }
    // Its response is older than a write, so it is not cached either.
    if before.waiters.isEmpty { return (number, before.call) }
    replaced[ObjectIdentifier(before.call)] = before
    return (number, nil)
  }

  /// Removes a waiter. Returns whether no request and no cache needs the response any more.
  mutating func leave(_ call: InFlightCall, number: Int) -> Bool {
    if let index = index(of: call) {
      current.values[index].waiters.remove(number)
    } else {
      replaced[ObjectIdentifier(call)]?.waiters.remove(number)
    }
    return isAbandoned(call)
  }

  /// Removes a call that nothing needs; false when a request has joined it meanwhile.
  mutating func removeAbandoned(_ call: InFlightCall) -> Bool {
    guard isAbandoned(call) else { return false }
    _ = end(call)
    return true
  }

  /// Lets no call continue for the response cache alone from now on. Removes and returns those that do.
  mutating func drain() -> [InFlightCall] {
    isDraining = true
    return current.values.map(\.call).filter { removeAbandoned($0) }
  }

  /// Whether the call is in flight, and neither a request nor the response cache waits for it.
  private func isAbandoned(_ call: InFlightCall) -> Bool {
    if let index = index(of: call) {
      return current.values[index].waiters.isEmpty && (isDraining || !call.policy.usesCache)
    }
    return replaced[ObjectIdentifier(call)]?.waiters.isEmpty == true
  }

  /// The newest call for this key.
  func call(for key: ReadKey) -> InFlightCall? { current[key]?.call }

  /// The number of requests that wait for a call.
  func waiterCount(of call: InFlightCall) -> Int {
    if let index = index(of: call) { return current.values[index].waiters.count }
    return replaced[ObjectIdentifier(call)]?.waiters.count ?? 0
  }

  /// Removes a call that is over and returns the requests that wait for it.
  mutating func end(_ call: InFlightCall) -> Waiters<Waiter> {
    guard let index = index(of: call) else {
      return replaced.removeValue(forKey: ObjectIdentifier(call))?.waiters ?? Waiters()
    }
    let entry = current.remove(at: index).value
    // Releases the capacity that a burst has left.
    if current.isEmpty, current.capacity > 64 { current = [:] }
    return entry.waiters
  }

  /// Removes a call for which exactly one request waits, and returns that waiter; nil when there are more, or none.
  mutating func endForSoleWaiter(_ call: InFlightCall) -> Waiter? {
    guard waiterCount(of: call) == 1 else { return nil }
    var waiters = end(call)
    return waiters.removeFirst()
  }

  private func index(of call: InFlightCall) -> Dictionary<ReadKey, Entry>.Index? {
    guard let index = current.index(forKey: call.key), current.values[index].call === call else { return nil }
    return index
  }
}

/// The requests that wait for one call, in order of arrival. Most calls have one, which needs no table.
struct Waiters<Waiter> {
  private var first: Waiter?
  /// By number.
  private var later: [Int: Waiter] = [:]
  private var next = 0

  var count: Int { later.count + (first == nil ? 0 : 1) }
  var isEmpty: Bool { first == nil && later.isEmpty }

  /// Adds a waiter and returns its number.
  mutating func add(_ waiter: Waiter) -> Int {
    let number = next
    next += 1
    if number == 0 { first = waiter } else { later[number] = waiter }
    return number
  }

  mutating func remove(_ number: Int) {
    if number == 0 { first = nil } else { later[number] = nil }
  }

  /// Removes the waiter that came first.
  mutating func removeFirst() -> Waiter? {
    if let first {
      self.first = nil
      return first
    }
    return later.keys.min().flatMap { later.removeValue(forKey: $0) }
  }

  func forEach(_ body: (Waiter) -> Void) {
    if let first { body(first) }
    for waiter in later.values { body(waiter) }
  }
}

extension Waiters: Sendable where Waiter: Sendable {}
