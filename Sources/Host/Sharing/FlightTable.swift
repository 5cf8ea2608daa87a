import AdapterAPI

/// The flights of one stripe, and who waits for each. No lock, no clock, nothing is woken here.
struct FlightTable<Waiter> {
  private struct Entry {
    let flight: Flight
    var seats: Seats<Waiter>
  }

  /// Those that can be joined.
  private var current: [ReadKey: Entry] = [:]
  /// Those in whose place a later one stands, because of a write; they go on for the ones that wait.
  private var overtaken: [ObjectIdentifier: Entry] = [:]
  /// Nothing is kept any more: the gateway drains.
  private var isDraining = false

  /// How long after its start a flight may be joined where the upstream may not show the last write yet: what is asked at the same
  /// moment is one call then too, and nobody gets what the upstream has replaced since.
  static var moment: Int64 { 10_000_000 }

  var isEmpty: Bool { current.isEmpty && overtaken.isEmpty }

  /// Who comes in now may have the answer of that flight.
  private func isOpen(_ flight: Flight, _ view: WriteEpoch.View, _ now: Instant) -> Bool {
    guard flight.epoch == view.number else { return false }
    return flight.began >= view.settledFrom || now.nanoseconds - flight.began.nanoseconds <= FlightTable.moment
  }

  /// A flight for this key is under way, and whoever comes in now may have its answer.
  func hasFlight(for key: ReadKey, _ view: WriteEpoch.View, now: Instant) -> Bool {
    current[key].map { isOpen($0.flight, view, now) } ?? false
  }

  /// Takes a seat in the flight that is under way; nil when there is none to be had.
  mutating func join(
    _ key: ReadKey, _ view: WriteEpoch.View, now: Instant, _ waiter: Waiter
  ) -> (flight: Flight, seat: Int)? {
    guard let index = current.index(forKey: key), isOpen(current.values[index].flight, view, now) else { return nil }
    return (current.values[index].flight, current.values[index].seats.add(waiter))
  }

  /// Puts a new flight in, in the place of one that can't be joined any more.
  ///
  /// - Returns: the seat, where somebody waits for it; and the flight that nobody needs now.
  mutating func begin(_ flight: Flight, _ waiter: Waiter?) -> (seat: Int?, abandoned: Flight?) {
    var seats = Seats<Waiter>()
    let seat = waiter.map { seats.add($0) }
    guard let before = current.updateValue(Entry(flight: flight, seats: seats), forKey: flight.key) else {
      return (seat, nil)
    }
    // Its answer is older than a write, and is not kept.
    if before.seats.isEmpty { return (seat, before.flight) }
    overtaken[ObjectIdentifier(before.flight)] = before
    return (seat, nil)
  }

  /// Somebody no longer waits. True: nobody is left who needs the answer.
  mutating func leave(_ flight: Flight, seat: Int) -> Bool {
    if let index = place(of: flight) {
      current.values[index].seats.remove(seat)
    } else {
      overtaken[ObjectIdentifier(flight)]?.seats.remove(seat)
    }
    return isDeserted(flight)
  }

  /// Takes a flight out that nobody needs; false where there is somebody.
  mutating func giveUp(_ flight: Flight) -> Bool {
    guard isDeserted(flight) else { return false }
    _ = end(flight)
    return true
  }

  /// From now on a flight that nobody waits for is not wanted by a cache either; takes those out that are so already.
  mutating func drain() -> [Flight] {
    isDraining = true
    return current.values.map(\.flight).filter { giveUp($0) }
  }

  /// Under way, and nobody waits for it, nor does a cache.
  private func isDeserted(_ flight: Flight) -> Bool {
    if let index = place(of: flight) {
      return current.values[index].seats.isEmpty && (isDraining || !flight.policy.keeps)
    }
    return overtaken[ObjectIdentifier(flight)]?.seats.isEmpty == true
  }

  /// The flight for this key that is not overtaken.
  func flight(for key: ReadKey) -> Flight? { current[key]?.flight }

  /// How many wait for it.
  func waiting(for flight: Flight) -> Int {
    if let index = place(of: flight) { return current.values[index].seats.count }
    return overtaken[ObjectIdentifier(flight)]?.seats.count ?? 0
  }

  /// The flight is over: takes it out, with those who wait for it.
  mutating func end(_ flight: Flight) -> Seats<Waiter> {
    if let index = place(of: flight) { return take(at: index).seats }
    return overtaken.removeValue(forKey: ObjectIdentifier(flight))?.seats ?? Seats()
  }

  private func place(of flight: Flight) -> Dictionary<ReadKey, Entry>.Index? {
    guard let index = current.index(forKey: flight.key), current.values[index].flight === flight else { return nil }
    return index
  }

  private mutating func take(at index: Dictionary<ReadKey, Entry>.Index) -> Entry {
    let entry = current.remove(at: index).value
    // A burst leaves no room behind.
    if current.isEmpty, current.capacity > 64 { current = [:] }
    return entry
  }
}

/// Those who wait for one flight, in order of arrival. Most flights have one, which costs no table.
struct Seats<Waiter> {
  private var first: (seat: Int, waiter: Waiter)?
  private var others: [Int: Waiter] = [:]
  private var next = 0

  var count: Int { others.count + (first == nil ? 0 : 1) }
  var isEmpty: Bool { first == nil && others.isEmpty }

  mutating func add(_ waiter: Waiter) -> Int {
    let seat = next
    next += 1
    if seat == 0 { first = (seat, waiter) } else { others[seat] = waiter }
    return seat
  }

  mutating func remove(_ seat: Int) {
    if let first, first.seat == seat { self.first = nil } else { others[seat] = nil }
  }

  /// The one who came first.
  mutating func removeFirst() -> Waiter? {
    if let first {
      self.first = nil
      return first.waiter
    }
    return others.keys.min().flatMap { others.removeValue(forKey: $0) }
  }

  func forEach(_ body: (Waiter) -> Void) {
    if let first { body(first.waiter) }
    for waiter in others.values { body(waiter) }
  }
}

extension Seats: Sendable where Waiter: Sendable {}
