import AdapterAPI

@testable import Host

/// The processes' calls to the upstream, their callers, and the checks.
extension TokenSimulation {
  // MARK: The upstream

  func exchange(
    _ current: Token?, isDetached: Bool, _ holder: String, _ process: Process
  ) -> Result<Token, AdapterError> {
    check(isDetached: isDetached, current, process)
    let isSpent = current.map { upstream.isSpent($0.refresh) } ?? false
    note("\(holder) exchanges \(current?.refresh ?? "nothing")\(isSpent ? ", which is spent" : "")")
    guard upstream.spend(current, at: now) else {
      return .failure(AdapterError(.refreshRejected, "single use"))
    }
    if !isDetached, store.holder == holder { store.exchanges += 1 }
    if store.exchanges > 1, trouble.isDisjoint(with: [.outages, .hangs]) {
      violate("two exchanges under one lease of \(holder)")
    }
    return .success(upstream.give(wall: wall, at: now))
  }

  func check(isDetached: Bool, _ current: Token?, _ process: Process) {
    let isRecent = store.lastTrouble.map { now - $0 < .seconds(4) } ?? false || store.isDown || store.isHanging
    if isDetached {
      if !isRecent { violate("\(process.holder) is detached although the store is well") }
      // After a standstill a token may be refused early.
      if !trouble.contains(.freezes), let last = process.lastDetached, now - last < .milliseconds(1400) {
        violate("\(process.holder) is detached twice in one life")
      }
      process.lastDetached = now
    } else if current == nil, let pair = store.pair, !upstream.isSpent(pair.token.refresh) {
      violate("\(process.holder) authorizes although the stored refresh token is good")
    }
  }

  // MARK: Callers

  /// Makes one call after the other while the process lives.
  func call(_ process: Process) {
    let life = process.life
    after(30...150) {
      guard process.isAlive, process.life == life else { return }
      if !process.isFrozen {
        self.lastID += 1
        if let token = process.state.ready(self.now) {
          self.serve(.success(token), process)
        } else {
          let decision = process.state.ask(self.lastID, deadline: self.now + .seconds(20), at: self.time)
          self.settle(decision, process)
        }
      }
      self.call(process)
    }
  }

  func settle(_ decision: TokenState.Decision, _ process: Process) {
    switch decision {
    case .wait: break
    case .token(let token): self.serve(.success(token), process)
    case .fail(let error): self.serve(.failure(error), process)
    }
    act(process)
  }

  func serve(_ result: Result<Token, KeeperError>, _ process: Process) {
    switch result {
    case .failure(let error): violate("\(process.holder): a caller fails: \(error)")
    case .success(let token):
      served += 1
      guard !upstream.isGood(token, at: now) else { return }
      // The token has expired on the way to the caller.
      rejections += 1
      lastID += 1
      let (id, life) = (lastID, process.life)
      after(1...20) {
        self.deliver(process, life) { process in
          let decision = process.state.replace(token, id, deadline: self.now + .seconds(20), at: self.time)
          self.settle(decision, process)
        }
      }
    }
  }

  func note(_ text: String) {
    history.append("\((now.nanoseconds - 1_000_000_000_000) / 1_000_000) ms: \(text)")
  }

  /// Records a violation with the last events before it.
  func violate(_ text: String) {
    note(text)
    violations.append(history.suffix(12).joined(separator: "\n"))
  }

  /// All processes use the stored pair.
  var isUnited: Bool {
    processes.allSatisfy { $0.isAlive && $0.state.work.unsaved == nil && $0.state.current?.token == store.pair?.token }
  }
}
