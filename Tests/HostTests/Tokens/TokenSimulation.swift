import AdapterAPI
import TestSupport

@testable import Host

/// Several processes' `TokenState`s with one row and one upstream with single-use refresh tokens, on a simulated clock. A seed
/// decides the schedule of faults. Broken invariants are recorded in `violations`.
final class TokenSimulation {
  struct Trouble: OptionSet, Hashable, CustomStringConvertible {
    let rawValue: Int
    /// A process stands still for up to twelve seconds.
    static let freezes = Trouble(rawValue: 1)
    /// A process is killed and starts again.
    static let kills = Trouble(rawValue: 2)
    /// The store carries out a job, and its response is an error.
    static let lostResponses = Trouble(rawValue: 4)
    /// The store fails for up to ten seconds.
    static let outages = Trouble(rawValue: 8)
    /// The store does not respond for up to ten seconds.
    static let hangs = Trouble(rawValue: 16)

    var description: String {
      let names = ["freezes", "kills", "lost responses", "outages", "hangs"]
      return names.indices.filter { rawValue & 1 << $0 != 0 }.map { names[$0] }.joined(separator: ", ")
    }
  }

  let trouble: Trouble
  let sharing: StoreSharing
  var violations: [String] = []
  /// The events so far, for the analysis of a failure.
  var history: [String] = []
  private(set) var processes: [Process] = []
  var served = 0
  var rejections = 0
  var store = SimulatedStore()
  var upstream = SimulatedUpstream()
  /// The number of kills and standstills.
  private(set) var interruptions = 0

  private(set) var now = Instant(nanoseconds: 1_000_000_000_000)
  var random: SeededGenerator
  private var events: [(at: Instant, number: Int, body: () -> Void)] = []
  private var eventNumber = 0
  var lastID: TokenWaiters.ID = 0
  private var isCalm = false

  init(seed: UInt64, trouble: Trouble, sharing: StoreSharing = .network, processes count: Int = 3) {
    self.trouble = trouble
    self.sharing = sharing
    random = SeededGenerator(seed: seed)
    for number in 1...count {
      processes.append(Process(number: number, state: newState()))
      after(0...300) { self.start(self.processes[number - 1]) }
    }
  }

  var time: ClockReading { ClockReading(now: now, wall: wall) }
  var wall: Int64 { 1_800_000_000_000 + (now.nanoseconds - 1_000_000_000_000) / 1_000_000 }

  private func newState() -> TokenState {
    // From the seed, so that a failure can be repeated.
    let spread = Double(random.below(1001)) / 1000
    let timing = TokenTiming(window: .seconds(300), exchangeTimeout: .seconds(5)) { $0 * spread }
    return TokenState(timing: timing, sharing: sharing)
  }

  // MARK: Time

  func run(_ duration: Duration) {
    let end = now + duration
    while let next = events.first, next.at <= end {
      events.removeFirst()
      now = max(now, next.at)
      next.body()
    }
    now = end
  }

  /// Runs `body` after a random number of milliseconds in the range.
  func after(_ milliseconds: ClosedRange<Int>, _ body: @escaping () -> Void) {
    at(now + .milliseconds(Int.random(in: milliseconds, using: &random)), body)
  }

  private func at(_ instant: Instant, _ body: @escaping () -> Void) {
    eventNumber += 1
    let index = events.firstIndex { $0.at > instant } ?? events.endIndex
    events.insert((instant, eventNumber, body), at: index)
  }

  // MARK: Faults

  /// Causes faults from now on.
  func makeTrouble() {
    after(200...3000) {
      guard !self.isCalm else { return }
      self.makeOneTrouble()
      self.makeTrouble()
    }
  }

  private func makeOneTrouble() {
    let kinds = [Trouble.freezes, .kills, .outages, .hangs].filter { trouble.contains($0) }
    guard !kinds.isEmpty else { return }
    let process = processes[random.below(processes.count)]
    switch kinds[random.below(kinds.count)] {
    case .freezes where process.isAlive && !process.isFrozen:
      interruptions += 1
      process.isFrozen = true
      note("\(process.holder) stands still")
      let life = process.life
      after(200...12_000) { if process.life == life { self.thaw(process) } }
    case .kills where process.isAlive:
      interruptions += 1
      note("\(process.holder) is killed")
      process.isAlive = false
      process.isFrozen = false
      process.inbox.removeAll()
      process.state = newState()
      process.life += 1
      after(100...6000) { self.start(process) }
    case .outages:
      store.isDown = true
      after(200...10_000) { self.store.isDown = false }
    case .hangs:
      store.isHanging = true
      after(200...10_000) { self.store.isHanging = false }
    default: break
    }
    if store.isDown || store.isHanging {
      store.lastTrouble = now
      note("the store is \(store.isDown ? "down" : "up")\(store.isHanging ? " and hangs" : "")")
    }
  }

  /// Ends all faults.
  func calmDown() {
    isCalm = true
    if store.isDown || store.isHanging { store.lastTrouble = now }
    (store.isDown, store.isHanging) = (false, false)
    for process in processes where process.isFrozen { thaw(process) }
  }

  private func thaw(_ process: Process) {
    guard process.isFrozen else { return }
    process.isFrozen = false
    note("\(process.holder) continues")
    let inbox = process.inbox
    process.inbox.removeAll()
    // A real process may handle its alarm or its messages first.
    let alarmFirst = random.below(2) == 0
    if alarmFirst { tick(process) }
    for body in inbox { body(process) }
    if !alarmFirst { tick(process) }
  }

  // MARK: Processes

  private func start(_ process: Process) {
    guard !process.isAlive else { return }
    process.isAlive = true
    note("\(process.holder) starts")
    process.state.start(at: time)
    act(process)
    call(process)
  }

  private func tick(_ process: Process) {
    process.state.tick(at: time)
    act(process)
  }

  /// Delivers a message when the process runs; never to its successor.
  func deliver(_ process: Process, _ life: Int, _ body: @escaping (Process) -> Void) {
    guard process.isAlive, process.life == life else { return }
    let full: (Process) -> Void = { process in
      body(process)
      self.act(process)
    }
    if process.isFrozen { process.inbox.append(full) } else { full(process) }
  }

  /// Carries out the state's actions.
  func act(_ process: Process) {
    while case let actions = process.state.takeActions(), !actions.isEmpty {
      for action in actions { perform(action, process) }
    }
    process.tickNumber += 1
    guard let wake = process.state.wake else { return }
    let (number, life) = (process.tickNumber, process.life)
    at(max(wake, now + .microseconds(1))) {
      guard process.life == life, process.tickNumber == number, !process.isFrozen, process.isAlive else { return }
      self.tick(process)
    }
  }

  private func perform(_ action: TokenState.Action, _ process: Process) {
    let (holder, life) = (process.holder, process.life)
    switch action {
    case .load:
      ask(process, { $0.pair }, { process, result in process.state.loaded(result, at: self.time) })
    case .claim(let seen):
      ask(
        process,
        { store in
          let outcome = store.claim(holder, seen, at: self.now)
          if case .held = outcome {} else { self.note("\(holder) claims: \(Self.short(outcome))") }
          return outcome
        },
        { process, result in process.state.claimed(result, at: self.time) })
    case .extend:
      ask(process, { $0.extend(holder, at: self.now) }, { $0.state.extended($1, at: self.time) })
    case .release:
      ask(process, { $0.release(holder) }, { $0.state.released($1, at: self.time) })
    case .save(let token, let old):
      ask(
        process,
        { store in
          let outcome = store.save(token, holder, old, at: self.now)
          self.note("\(holder) saves \(token.access): \(Self.short(outcome))")
          if case .saved(let pair) = outcome { self.announce(pair, by: process) }
          return outcome
        }, { $0.state.saved($1, of: token, at: self.time) })
    case .exchange(let current, _):
      let isDetached = process.state.exchange?.isDetached == true
      after(1...40) {
        let result = self.exchange(current, isDetached: isDetached, holder, process)
        self.after(1...40) { self.deliver(process, life) { $0.state.exchanged(result, at: self.time) } }
      }
    case .resume(let ids, let result): for _ in ids { serve(result, process) }
    case .cancelExchange, .publish, .emit, .log, .stopped: break
    }
  }

  private static func short(_ outcome: SaveOutcome) -> String {
    switch outcome {
    case .saved(let pair): "saved #\(pair.version)"
    case .lost(let pair): "lost to \(pair.token.access)#\(pair.version)"
    case .leased: "leased"
    }
  }

  private static func short(_ outcome: ClaimOutcome) -> String {
    switch outcome {
    case .granted: "granted"
    case .changed(let pair): "changed to \(pair.token.access)#\(pair.version)"
    case .held: "held"
    }
  }

  private func announce(_ pair: StoredPair, by sender: Process) {
    for process in processes where process.isAlive && random.below(10) < 8 {
      let life = process.life
      after(0...20) { self.deliver(process, life) { $0.state.noticed(pair.version, at: self.time) } }
    }
  }

  /// Makes a round trip to the store.
  private func ask<Value>(
    _ process: Process, _ work: @escaping (inout SimulatedStore) -> Value,
    _ done: @escaping (Process, Result<Value, StoreError>) -> Void
  ) {
    let life = process.life
    let error = StoreError(.unavailable, "The store is down.")
    func respond(_ result: Result<Value, StoreError>) {
      after(0...10) { self.deliver(process, life) { done($0, result) } }
    }
    func arrive(patience: Int) {
      // The job is carried out even when the process was killed meanwhile.
      if store.isDown { return respond(.failure(error)) }
      if store.isHanging {
        if patience == 0 { return respond(.failure(error)) }
        return after(250...250) { arrive(patience: patience - 1) }
      }
      let value = work(&store)
      let isLost = !isCalm && trouble.contains(.lostResponses) && random.below(10) == 0
      if isLost { store.lastTrouble = now }
      respond(isLost ? .failure(error) : .success(value))
    }
    after(0...10) { arrive(patience: 20) }
  }
}
