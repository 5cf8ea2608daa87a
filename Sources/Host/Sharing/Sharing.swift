import AdapterAPI
import Synchronization

/// The reading requests that are the same: one upstream call for all that are in flight, and its answer for those that come soon
/// after.
///
/// One for all loops and adapters, in stripes that each have a lock; under it there is nothing but the work on a small table. So a
/// request is answered, or makes its call, on the loop it came in on, and no thread waits for another's turn
/// (docs/decisions/0005-sharing.md).
final class Sharing: Sendable {
  /// Answers up to this size are gathered for several who wait, and are kept.
  static let largestAnswer = 4 << 20
  private static let stripeCount = 16
  /// How long a call goes on that nobody waits for any more.
  private static let patience = Duration.milliseconds(100)

  /// A use of a wait.
  struct Waiter: Sendable {
    fileprivate let wait: LoopBound<FlightWait>
    fileprivate let use: Int

    fileprivate init(_ waits: FlightWaits) {
      let wait = waits.take()
      self.wait = LoopBound(wait, on: waits.loop)
      use = wait.use
    }

    fileprivate func end(_ landing: Landing) { wait.value.end(.landed(landing), use) }
  }

  struct Stripe {
    var flights = FlightTable<Waiter>()
    var answers: KeptAnswers
  }

  /// `Mutex` can't be the element of an array.
  private final class Place: Sendable {
    let stripe: Mutex<Stripe>
    init(_ memory: CacheMemory) { stripe = Mutex(Stripe(answers: KeptAnswers(memory))) }
  }

  private let places: [Place]
  private let adapterNumbers = Atomic<Int>(0)
  let memory: MemoryBudget
  let kept: CacheMemory
  /// Where expired answers are looked for.
  let home: EventLoop
  let isSweeping = Atomic<Bool>(false)

  init(memory: MemoryBudget, home: EventLoop) {
    self.memory = memory
    self.home = home
    let kept = CacheMemory(memory)
    self.kept = kept
    places = (0..<Sharing.stripeCount).map { _ in Place(kept) }
  }

  /// A number that no adapter instance had before.
  func newAdapterNumber() -> Int { adapterNumbers.add(1, ordering: .relaxed).newValue }

  /// The adapter is gone, and its answers with it.
  func forget(adapter: Int) {
    for place in places { place.stripe.withLock { $0.answers.forget(adapter: adapter) } }
  }

  func withStripe<Value: Sendable>(of key: ReadKey, _ body: (inout Stripe) -> Value) -> Value {
    places[key.place(among: places.count)].stripe.withLock { body(&$0) }
  }

  func forEachStripe(_ body: (inout Stripe) -> Void) {
    for place in places { place.stripe.withLock { body(&$0) } }
  }

  /// Nothing is under way and nothing is kept.
  var isEmpty: Bool {
    places.allSatisfy { place in place.stripe.withLock { $0.flights.isEmpty && $0.answers.isEmpty } }
  }

  // MARK: a request comes in

  /// What a request finds.
  enum Found: Sendable {
    /// - refresh: to be started by whoever asked.
    case kept(SharedRead, refresh: Flight?)
    case seat(Seat)
  }

  /// A seat in a flight; `begins`: it is to be started by whoever asked.
  struct Seat: Sendable {
    let flight: Flight
    let number: Int
    let begins: Bool
    /// There is an older answer that can be given instead.
    let isRenewal: Bool
    fileprivate let waiter: Waiter
  }

  /// Looks for a kept answer, then for a call under way, and else begins one: in one step, so that who comes while an answer
  /// arrives finds the one or the other.
  ///
  /// - Parameter mayRenew: Asked before a call is begun although there is an older answer: so it can be spared.
  func look(
    _ key: ReadKey, _ policy: SharingPolicy, _ writes: WriteEpoch, _ waits: FlightWaits, mayRenew: () -> Bool = { true }
  ) -> Found {
    let now = waits.loop.now
    let view = writes.view(settle: policy.settle)
    /// What may be done about an older answer.
    enum Wish { case none, refresh, renewal }
    let (found, wish, abandoned) = withStripe(of: key) { stripe -> (Found, Wish, Flight?) in
      switch policy.keeps ? stripe.answers.look(key, policy, view, now: now) : .nothing {
      case .fresh(let answer, let age): return (Sharing.kept(answer, age, isStale: false), .none, nil)
      case .stale(let answer, let age, let wantsRefresh):
        let isAlone = wantsRefresh && !stripe.flights.hasFlight(for: key, view, now: now)
        return (Sharing.kept(answer, age, isStale: true), isAlone ? .refresh : .none, nil)
      case .old(let answer, let age) where !stripe.flights.hasFlight(for: key, view, now: now):
        return (Sharing.kept(answer, age, isStale: true), .renewal, nil)
      case .old, .nothing:
        let (seat, abandoned) = stripe.seat(for: key, policy, view, waits)
        return (.seat(seat), .none, abandoned)
      }
    }
    abandoned?.cancel()
    guard wish != .none, case .kept(let read, _) = found, mayRenew() else { return found }
    if wish == .refresh { return .kept(read, refresh: beginRefresh(key, policy, view, now: now)) }
    // The answer is older than this route gives it when it need not. Somebody may have been faster.
    let (renewed, displaced) = withStripe(of: key) { stripe -> (Found, Flight?) in
      if case .fresh(let answer, let age) = stripe.answers.look(key, policy, view, now: now) {
        return (Sharing.kept(answer, age, isStale: false), nil)
      }
      let (seat, displaced) = stripe.seat(for: key, policy, view, waits, isRenewal: true)
      return (.seat(seat), displaced)
    }
    displaced?.cancel()
    return renewed
  }

  /// What is kept for this key, however old; where a call was refused that would have brought a newer answer.
  func previous(_ key: ReadKey, _ policy: SharingPolicy, _ writes: WriteEpoch, on loop: EventLoop) -> SharedRead? {
    let view = writes.view(settle: policy.settle)
    let look = withStripe(of: key) { $0.answers.look(key, policy, view, now: loop.now) }
    switch look {
    case .fresh(let answer, let age): return Sharing.read(answer, age, isStale: false)
    case .stale(let answer, let age, _), .old(let answer, let age):
      return Sharing.read(answer, age, isStale: true)
    case .nothing: return nil
    }
  }

  private static func kept(_ answer: HeldAnswer, _ age: Int64, isStale: Bool) -> Found {
    .kept(read(answer, age, isStale: isStale), refresh: nil)
  }

  private static func read(_ answer: HeldAnswer, _ age: Int64, isStale: Bool) -> SharedRead {
    SharedRead(answer, kept: SharedRead.Kept(isStale: isStale, age: Int(age / 1_000_000_000)))
  }

  /// Puts a refresh in, which nobody waits for; nil where somebody was faster.
  private func beginRefresh(
    _ key: ReadKey, _ policy: SharingPolicy, _ view: WriteEpoch.View, now: Instant
  ) -> Flight? {
    let flight = Flight(key, epoch: view.number, began: now, policy: policy)
    let (begins, abandoned) = withStripe(of: key) { stripe -> (Bool, Flight?) in
      guard case .stale(_, _, wantsRefresh: true) = stripe.answers.look(key, policy, view, now: now),
        !stripe.flights.hasFlight(for: key, view, now: now)
      else { return (false, nil) }
      return (true, stripe.flights.begin(flight, nil).abandoned)
    }
    abandoned?.cancel()
    return begins ? flight : nil
  }

  /// Waits for the flight's end, the deadline, or the caller's leaving, which ends nothing for the others. Once for each seat.
  func wait(_ seat: Seat, until deadline: Instant, _ waits: FlightWaits) async -> FlightWait.Outcome {
    let wait = seat.waiter.wait.value
    let outcome = await wait.wait(seat.waiter.use, until: deadline)
    waits.giveBack(wait)
    if case .landed = outcome { return outcome }
    leave(seat, waits.loop)
    return outcome
  }

  /// The one whose task makes the call has lost his client. `cancel` ends it when nobody else waits.
  func leaderLeaves(_ seat: Seat, on loop: EventLoop, cancel: @escaping @Sendable () -> Void) {
    seat.waiter.wait.value.end(.cancelled, seat.waiter.use)
    seat.flight.onCancel(cancel)
    leave(seat, loop)
  }

  /// The gateway drains, and waits for no call that nobody waits for.
  func drain() {
    var deserted: [Flight] = []
    forEachStripe { deserted += $0.flights.drain() }
    for flight in deserted { flight.cancel() }
  }

  private func leave(_ seat: Seat, _ loop: EventLoop) {
    let flight = seat.flight
    flight.outlivesCaller(memory)
    guard withStripe(of: flight.key, { $0.flights.leave(flight, seat: seat.number) }) else { return }
    // Others may be on their way, with requests that were sent before this caller left.
    Task(executorPreference: loop) {
      _ = await LoopWait<Never>(loop: loop).wait(until: loop.now + Sharing.patience)
      if self.withStripe(of: flight.key, { $0.flights.giveUp(flight) }) { flight.cancel() }
    }
  }

  // MARK: those who wait are told

  /// Tells everybody, each on his own loop; one post for each of the others.
  func tell(_ seats: Seats<Waiter>, _ landing: Landing) {
    var elsewhere: [[Waiter]] = []
    seats.forEach { waiter in
      if waiter.wait.loop.isCurrent { return waiter.end(landing) }
      if let index = elsewhere.firstIndex(where: { $0[0].wait.loop === waiter.wait.loop }) {
        elsewhere[index].append(waiter)
      } else {
        elsewhere.append([waiter])
      }
    }
    for waiters in elsewhere {
      waiters[0].wait.loop.post { for waiter in waiters { waiter.end(landing) } }
    }
  }

  func tell(_ waiter: Waiter, _ landing: Landing) {
    waiter.wait.loop.execute { waiter.end(landing) }
  }
}

extension Sharing.Stripe {
  /// A seat in the flight that is under way, else in one that is begun; with the flight that nobody needs any more.
  fileprivate mutating func seat(
    for key: ReadKey, _ policy: SharingPolicy, _ view: WriteEpoch.View, _ waits: FlightWaits, isRenewal: Bool = false
  ) -> (Sharing.Seat, abandoned: Flight?) {
    let waiter = Sharing.Waiter(waits)
    let now = waits.loop.now
    if let (flight, number) = flights.join(key, view, now: now, waiter) {
      return (
        Sharing.Seat(flight: flight, number: number, begins: false, isRenewal: isRenewal, waiter: waiter), nil
      )
    }
    let flight = Flight(key, epoch: view.number, began: now, policy: policy)
    let (number, abandoned) = flights.begin(flight, waiter)
    return (
      Sharing.Seat(flight: flight, number: number ?? 0, begins: true, isRenewal: isRenewal, waiter: waiter), abandoned
    )
  }
}
