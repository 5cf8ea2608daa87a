import AdapterAPI

@testable import Host

/// Several processes' `TokenState`s over one row and one upstream with single-use refresh tokens, on a clock of its
/// own, under a schedule of troubles that a seed decides. What must never be is written into `violations`.
final class TokenSimulation {
  struct Trouble: OptionSet, Hashable, CustomStringConvertible {
    let rawValue: Int
    /// A process stands still for up to twelve seconds.
    static let freezes = Trouble(rawValue: 1)
    /// A process is gone and comes back.
    static let kills = Trouble(rawValue: 2)
    /// The store did what it was asked, and the answer is an error.
    static let lostAnswers = Trouble(rawValue: 4)
    /// The store refuses everything for up to ten seconds.
    static let outages = Trouble(rawValue: 8)
    /// The store answers nothing for up to ten seconds.
    static let hangs = Trouble(rawValue: 16)

    var description: String {
      let names = ["freezes", "kills", "lost answers", "outages", "hangs"]
      return names.indices.filter { rawValue & 1 << $0 != 0 }.map { names[$0] }.joined(separator: ", ")
    }
  }

  final class Process {
    let number: Int
    var state: TokenState
    /// Another one after every death: also the name that the lease is held by.
    var life = 0
    var isAlive = false
    var isFrozen = false
    var inbox: [(Process) -> Void] = []
    var tickNumber = 0
    var lastDetached: Instant?

    var holder: String { "\(number)/\(life)" }

    init(number: Int, state: TokenState) {
      self.number = number
      self.state = state
    }
  }

  let trouble: Trouble
  let sharing: StoreSharing
  private(set) var violations: [String] = []
  /// What happened, for whoever looks into a failure.
  private(set) var history: [String] = []
  private(set) var processes: [Process] = []
  private(set) var served = 0
  private(set) var rejections = 0
  var store = SimulatedStore()
  var upstream = SimulatedUpstream()
  /// How often a process died or stood still.
  private(set) var interruptions = 0

  private(set) var now = Instant(nanoseconds: 1_000_000_000_000)
  private var random: TokenRandom
  private var events: [(at: Instant, number: Int, body: () -> Void)] = []
  private var eventNumber = 0
  private var lastID: TokenWaiters.ID = 0
  private var isCalm = false

  init(seed: UInt64, trouble: Trouble, sharing: StoreSharing = .network, processes count: Int = 3) {
    self.trouble = trouble
    self.sharing = sharing
    random = TokenRandom(seed: seed)
    for number in 1...count {
      processes.append(Process(number: number, state: newState()))
      after(0...300) { self.start(self.processes[number - 1]) }
    }
  }

  private var time: ClockReading { ClockReading(now: now, wall: wall) }
  var wall: Int64 { 1_800_000_000_000 + (now.nanoseconds - 1_000_000_000_000) / 1_000_000 }

  private func newState() -> TokenState {
    // Not random by the system's generator: a seed tells everything.
    let spread = Double(random.number(0...1000)) / 1000
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

  /// Runs `body` some milliseconds from now.
  func after(_ milliseconds: ClosedRange<Int>, _ body: @escaping () -> Void) {
    at(now + .milliseconds(random.number(milliseconds)), body)
  }

  private func at(_ instant: Instant, _ body: @escaping () -> Void) {
    eventNumber += 1
    let index = events.firstIndex { $0.at > instant } ?? events.endIndex
    events.insert((instant, eventNumber, body), at: index)
  }

  // MARK: Troubles

  /// Begins to make trouble, ever again.
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
    let process = processes[random.number(0...processes.count - 1)]
    switch kinds[random.number(0...kinds.count - 1)] {
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

  /// No more trouble from now on.
  func calmDown() {
    isCalm = true
    if store.isDown || store.isHanging { store.lastTrouble = now }
    (store.isDown, store.isHanging) = (false, false)
    for process in processes where process.isFrozen { thaw(process) }
  }

  private func thaw(_ process: Process) {
    guard process.isFrozen else { return }
    process.isFrozen = false
    note("\(process.holder) goes on")
    let inbox = process.inbox
    process.inbox.removeAll()
    // Whatever a real process would do first: its alarm, or what has come meanwhile.
    let alarmFirst = random.number(0...1) == 0
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

  /// Comes to the process when it runs; never to its successor.
  private func deliver(_ process: Process, _ life: Int, _ body: @escaping (Process) -> Void) {
    guard process.isAlive, process.life == life else { return }
    let full: (Process) -> Void = { process in
      body(process)
      self.act(process)
    }
    if process.isFrozen { process.inbox.append(full) } else { full(process) }
  }

  /// Does what the state wants done.
  private func act(_ process: Process) {
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
    case .resume(let ids, let result): for _ in ids { answer(result, process) }
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
    for process in processes where process.isAlive && random.number(1...10) <= 8 {
      let life = process.life
      after(0...20) { self.deliver(process, life) { $0.state.noticed(pair.version, at: self.time) } }
    }
  }

  /// A round trip to the store.
  private func ask<Value>(
    _ process: Process, _ work: @escaping (inout SimulatedStore) -> Value,
    _ done: @escaping (Process, Result<Value, StoreError>) -> Void
  ) {
    let life = process.life
    let error = StoreError(.unavailable, "The store is down.")
    func answer(_ result: Result<Value, StoreError>) {
      after(0...10) { self.deliver(process, life) { done($0, result) } }
    }
    func arrive(patience: Int) {
      // Who was killed has asked all the same.
      if store.isDown { return answer(.failure(error)) }
      if store.isHanging {
        if patience == 0 { return answer(.failure(error)) }
        return after(250...250) { arrive(patience: patience - 1) }
      }
      let value = work(&store)
      let isLost = !isCalm && trouble.contains(.lostAnswers) && random.number(1...10) == 1
      if isLost { store.lastTrouble = now }
      answer(isLost ? .failure(error) : .success(value))
    }
    after(0...10) { arrive(patience: 20) }
  }

  // MARK: The upstream

  private func exchange(
    _ current: Token?, isDetached: Bool, _ holder: String, _ process: Process
  ) -> Result<Token, AdapterError> {
    check(isDetached: isDetached, current, process)
    note("\(holder) exchanges \(current?.refresh ?? "nothing"), spent: \(current.map { upstream.isSpent($0.refresh) } ?? false)")
    guard upstream.spend(current, at: now) else {
      return .failure(AdapterError(.refreshRejected, "single use"))
    }
    if !isDetached, store.holder == holder { store.exchanges += 1 }
    if store.exchanges > 1, trouble.isDisjoint(with: [.outages, .hangs]) {
      violate("two exchanges under one lease of \(holder)")
    }
    return .success(upstream.give(wall: wall, at: now))
  }

  private func check(isDetached: Bool, _ current: Token?, _ process: Process) {
    let isRecent = store.lastTrouble.map { now - $0 < .seconds(4) } ?? false || store.isDown || store.isHanging
    if isDetached {
      if !isRecent { violate("\(process.holder) is detached although the store is well") }
      // After standing still a token may be refused young.
      if !trouble.contains(.freezes), let last = process.lastDetached, now - last < .milliseconds(1400) {
        violate("\(process.holder) is detached twice in one life")
      }
      process.lastDetached = now
    } else if current == nil, let pair = store.pair, !upstream.isSpent(pair.token.refresh) {
      violate("\(process.holder) authorizes although the stored refresh token is good")
    }
  }

  // MARK: Callers

  /// One caller after the other, for as long as the process lives.
  private func call(_ process: Process) {
    let life = process.life
    after(30...150) {
      guard process.isAlive, process.life == life else { return }
      if !process.isFrozen {
        self.lastID += 1
        if let token = process.state.ready(self.now) {
          self.answer(.success(token), process)
        } else {
          let answer = process.state.ask(self.lastID, deadline: self.now + .seconds(20), at: self.time)
          self.settle(answer, process)
        }
      }
      self.call(process)
    }
  }

  private func settle(_ answer: TokenState.Answer, _ process: Process) {
    switch answer {
    case .wait: break
    case .token(let token): self.answer(.success(token), process)
    case .fail(let error): self.answer(.failure(error), process)
    }
    act(process)
  }

  private func answer(_ result: Result<Token, KeeperError>, _ process: Process) {
    switch result {
    case .failure(let error): violate("\(process.holder): a caller fails: \(error)")
    case .success(let token):
      served += 1
      guard !upstream.isGood(token, at: now) else { return }
      // The answer's way took some of its life.
      rejections += 1
      lastID += 1
      let (id, life) = (lastID, process.life)
      after(1...20) {
        self.deliver(process, life) { process in
          let answer = process.state.replace(token, id, deadline: self.now + .seconds(20), at: self.time)
          self.settle(answer, process)
        }
      }
    }
  }

  private func note(_ text: String) {
    history.append("\((now.nanoseconds - 1_000_000_000_000) / 1_000_000) ms: \(text)")
  }

  /// With the last things that led to it.
  private func violate(_ text: String) {
    note(text)
    violations.append(history.suffix(12).joined(separator: "\n"))
  }

  /// Everybody uses what stands in the store.
  var isUnited: Bool {
    processes.allSatisfy { $0.isAlive && $0.state.unsaved == nil && $0.state.held?.token == store.pair?.token }
  }
}

/// SplitMix64.
struct TokenRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func number(_ range: ClosedRange<Int>) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    return range.lowerBound + Int(z % UInt64(range.count))
  }
}
