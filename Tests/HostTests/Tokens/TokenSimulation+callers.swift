import AdapterAPI

@testable import Host

/// What the processes and their callers ask for, and what must never be.
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
  func call(_ process: Process) {
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

  func settle(_ answer: TokenState.Answer, _ process: Process) {
    switch answer {
    case .wait: break
    case .token(let token): self.answer(.success(token), process)
    case .fail(let error): self.answer(.failure(error), process)
    }
    act(process)
  }

  func answer(_ result: Result<Token, KeeperError>, _ process: Process) {
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

  func note(_ text: String) {
    history.append("\((now.nanoseconds - 1_000_000_000_000) / 1_000_000) ms: \(text)")
  }

  /// With the last things that led to it.
  func violate(_ text: String) {
    note(text)
    violations.append(history.suffix(12).joined(separator: "\n"))
  }

  /// Everybody uses what stands in the store.
  var isUnited: Bool {
    processes.allSatisfy { $0.isAlive && $0.state.unsaved == nil && $0.state.held?.token == store.pair?.token }
  }
}
