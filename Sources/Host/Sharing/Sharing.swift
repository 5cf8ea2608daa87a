import AdapterAPI
import Synchronization

/// Single flight and response cache: identical reading requests share one upstream call, and its response serves those that come
/// soon after.
///
/// One for all loops and adapters, in stripes with a lock each, under which only small tables are changed. A request gets its
/// response, or makes its call, on the loop it came in on (docs/decisions/0005-sharing.md).
final class Sharing: Sendable {
  /// Larger responses are neither gathered for several requests nor cached; in bytes.
  static let largestResponse = 4 << 20
  private static let stripeCount = 16
  /// The time for which a call continues after the last request has left.
  private static let graceTime = Duration.milliseconds(100)

  /// The result of an upstream call, which may be the result of several requests.
  typealias CallResult = Result<AdapterResponse, GatewayError>
  typealias Waits = LoopWaitPool<Outcome>

  /// The outcome of a shared call for one of its requests.
  enum Outcome: Sendable {
    case response(SharedResponse)
    case failed(GatewayError)
    /// The response can't be shared: the request has to make a call of its own.
    case notShared
  }

  /// A request that waits for a call.
  struct Waiter: Sendable {
    /// Nil: the leader, whose own task makes the call.
    fileprivate let wait: LoopBound<LoopWait<Outcome>>?
    fileprivate let use: Int
  }

  struct Stripe: ~Copyable {
    var calls = InFlightCalls<Waiter>()
    var cache: ResponseCache
  }

  /// A class, because `Mutex` can't be an element of an array.
  private final class LockedStripe: Sendable {
    let stripe: Mutex<Stripe>
    init(_ memory: CacheMemory) { stripe = Mutex(Stripe(cache: ResponseCache(memory))) }
  }

  private let stripes: [LockedStripe]
  private let adapterNumbers = Atomic<Int>(0)
  let memory: MemoryBudget
  let cacheMemory: CacheMemory
  /// The loop that removes expired responses.
  let home: EventLoop
  let isSweeping = Atomic<Bool>(false)

  init(memory: MemoryBudget, home: EventLoop) {
    self.memory = memory
    self.home = home
    let cacheMemory = CacheMemory(memory)
    self.cacheMemory = cacheMemory
    stripes = (0..<Sharing.stripeCount).map { _ in LockedStripe(cacheMemory) }
  }

  /// Returns a number that no adapter instance had before.
  func newAdapterNumber() -> Int { adapterNumbers.add(1, ordering: .relaxed).newValue }

  /// Removes the cached responses of an adapter instance that has ended.
  func forget(adapter: Int) { forEachStripe { $0.cache.removeAll(of: adapter) } }

  func withStripe<Value: Sendable>(of key: ReadKey, _ body: (inout Stripe) -> Value) -> Value {
    stripes[key.stripe(among: stripes.count)].stripe.withLock { body(&$0) }
  }

  func forEachStripe(_ body: (inout Stripe) -> Void) {
    for locked in stripes { locked.stripe.withLock { body(&$0) } }
  }

  /// No call is in flight and no response is cached.
  var isEmpty: Bool {
    stripes.allSatisfy { locked in locked.stripe.withLock { $0.calls.isEmpty && $0.cache.isEmpty } }
  }

  // MARK: a request comes in

  enum Found: Sendable {
    /// - refresh: a call that the request has to start (`start`), to renew the response.
    case cached(SharedResponse, refresh: InFlightCall?)
    case inFlight(Participant)
  }

  /// A request's part in an in-flight call.
  struct Participant: Sendable {
    let call: InFlightCall
    fileprivate let number: Int
    fileprivate let waiter: Waiter
    /// The request has begun the call and has to make it.
    let begins: Bool
    /// There is an older response that can be used instead.
    var isRenewal = false

    /// The request makes the call in its own task.
    var isLeader: Bool { waiter.wait == nil }
  }

  /// Looks for a cached response, then for a call in flight, and else begins one. One step under the lock: a request that comes while
  /// a response arrives finds the call or the cached response.
  ///
  /// - Parameters:
  ///   - leads: a request that begins a call makes it in its own task.
  ///   - mayRenew: whether a call may be begun although there is an older response. Called under the lock.
  func find(
    _ key: ReadKey, _ policy: SharingPolicy, _ writes: WriteEpoch, _ waits: Waits, leads: Bool,
    mayRenew: () -> Bool = { true }
  ) -> Found {
    let now = waits.loop.now
    let view = writes.view(settle: policy.settle)
    let (found, abandoned) = withStripe(of: key) { stripe -> (Found, InFlightCall?) in
      func begin() -> InFlightCall { InFlightCall(key, epoch: view.number, began: now, policy: policy) }
      var isRenewal = false
      switch policy.usesCache ? stripe.cache.find(key, policy, view, now: now) : .none {
      case .fresh(let response, let age):
        return (.cached(response.cached(age: age, isStale: false), refresh: nil), nil)
      case .stale(let response, let age, let wantsRefresh):
        let response = response.cached(age: age, isStale: true)
        guard wantsRefresh, !stripe.calls.canJoin(key, view, now: now), mayRenew() else {
          return (.cached(response, refresh: nil), nil)
        }
        let call = begin()
        return (.cached(response, refresh: call), stripe.calls.begin(call, nil).abandoned)
      case .reserve(let response, let age):
        if !stripe.calls.canJoin(key, view, now: now), !mayRenew() {
          return (.cached(response.cached(age: age, isStale: true), refresh: nil), nil)
        }
        isRenewal = true
      case .none: break
      }
      if let (call, waiter, number) = stripe.calls.join(key, view, now: now, { Waiter(waits) }) {
        return (.inFlight(Participant(call: call, number: number, waiter: waiter, begins: false)), nil)
      }
      let call = begin()
      let waiter = leads ? Waiter(wait: nil, use: 0) : Waiter(waits)
      let (number, abandoned) = stripe.calls.begin(call, waiter)
      return (
        .inFlight(
          Participant(call: call, number: number ?? 0, waiter: waiter, begins: true, isRenewal: isRenewal)), abandoned
      )
    }
    abandoned?.cancel()
    return found
  }

  /// Returns the cached response for a key, however old; for a request whose call the upstream's budget has refused.
  func cachedResponse(
    _ key: ReadKey, _ policy: SharingPolicy, _ writes: WriteEpoch, on loop: EventLoop
  ) -> SharedResponse? {
    let view = writes.view(settle: policy.settle)
    return withStripe(of: key) {
      switch $0.cache.find(key, policy, view, now: loop.now) {
      case .fresh(let response, let age): response.cached(age: age, isStale: false)
      case .stale(let response, let age, _), .reserve(let response, let age): response.cached(age: age, isStale: true)
      case .none: nil
      }
    }
  }

  /// Waits for the call's end, the deadline, or the task's cancellation, which end only this request's wait. Once for each
  /// participant that is not the leader.
  func wait(_ own: Participant, until deadline: Instant, _ waits: Waits) async -> Outcome {
    guard let wait = own.waiter.wait?.value else { preconditionFailure("a leader does not wait") }
    let outcome = await wait.wait(until: deadline, use: own.waiter.use)
    waits.giveBack(wait)
    switch outcome {
    case .value(let outcome): return outcome
    case .timedOut:
      leave(own, waits.loop)
      return .failed(.upstreamTimeout("no response within the route's timeout"))
    case .cancelled:
      leave(own, waits.loop)
      return .failed(.cancelled("left while it waited for a shared call"))
    }
  }

  /// The leader's client has gone. The call continues for the waiters and the response cache; `cancel` ends it when nothing needs it.
  func leaderLeaves(_ leader: Participant, on loop: EventLoop, cancel: @escaping @Sendable () -> Void) {
    leader.call.onCancel(cancel)
    leave(leader, loop)
  }

  /// The gateway drains: ends the calls that no request waits for.
  func drain() {
    var abandoned: [InFlightCall] = []
    forEachStripe { abandoned += $0.calls.drain() }
    for call in abandoned { call.cancel() }
  }

  private func leave(_ own: Participant, _ loop: EventLoop) {
    let call = own.call
    call.outlivesCaller(memory)
    guard withStripe(of: call.key, { $0.calls.leave(call, number: own.number) }) else { return }
    // Identical requests that were sent before this caller left may still arrive.
    Task(executorPreference: loop) {
      _ = await LoopWait<Never>(loop: loop).wait(until: loop.now + Sharing.graceTime)
      if self.withStripe(of: call.key, { $0.calls.removeAbandoned(call) }) { call.cancel() }
    }
  }

  // MARK: waiters are resumed

  /// Resumes the waiters, each on its loop, with one post for each of the other loops.
  ///
  /// - Returns: the outcome, when the leader is among the waiters; else nil.
  func resume(_ waiters: Waiters<Waiter>, _ outcome: Outcome) -> Outcome? {
    var own: Outcome?
    var elsewhere: [(loop: EventLoop, waiters: [Waiter])] = []
    waiters.forEach { waiter in
      guard let loop = waiter.wait?.loop else { return own = outcome }
      if loop.isCurrent { return waiter.resume(outcome) }
      if let index = elsewhere.firstIndex(where: { $0.loop === loop }) {
        elsewhere[index].waiters.append(waiter)
      } else {
        elsewhere.append((loop, [waiter]))
      }
    }
    for (loop, waiters) in elsewhere { loop.post { for waiter in waiters { waiter.resume(outcome) } } }
    return own
  }

  /// Resumes one waiter. Returns the outcome when it is the leader.
  func resume(_ waiter: Waiter, _ outcome: Outcome) -> Outcome? {
    guard let loop = waiter.wait?.loop else { return outcome }
    loop.execute { waiter.resume(outcome) }
    return nil
  }
}

extension Sharing.Waiter {
  fileprivate init(_ waits: Sharing.Waits) {
    let wait = waits.take()
    self.wait = LoopBound(wait, on: waits.loop)
    use = wait.use
  }

  fileprivate func resume(_ outcome: Sharing.Outcome) { wait?.value.end(.value(outcome), use: use) }
}
