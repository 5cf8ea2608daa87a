import AdapterAPI

/// Responses on their way to the client: built in this turn, stored because the socket was full, or moved by a relay.
extension ServerConnection {
  /// A body up to this size leaves in one block with its head, at the end of the turn.
  private static let smallBody = 16 << 10

  /// The client has taken all bytes of the response so far.
  var isFlushed: Bool { output.isEmpty && !flags.contains(.built) }

  /// Sends the loop's outgoing bytes from `start` on, then the body.
  func sendBuilt(from start: Int, followedBy body: [UInt8]) {
    if body.count <= ServerConnection.smallBody, loop.hasRoom, isFlushed, state.canSend {
      loop.outgoing.append(contentsOf: body)
      builtStart = UInt32(start)
      builtEnd = UInt32(loop.outgoing.count)
      flags.insert(.built)
      loop.sendLater(self)
    } else {
      send(loop.outgoing.take(from: start), body)
    }
  }

  /// Sends the response that was built in this turn.
  func sendBuilt() {
    flags.remove(.built)
    defer { account() }
    let range = Int(builtStart)..<Int(builtEnd)
    guard state.canSend else { return }
    switch server.traffic.counted(sent: transport.write(loop.outgoing.bytes(range))) {
    case .bytes(range.count): flushed()
    case .bytes(let sent): store(Array(loop.outgoing.bytes(range.dropFirst(sent))), from: 0)
    case .wouldBlock, .end: store(Array(loop.outgoing.bytes(range)), from: 0)
    case .failed: perform(state.failed())
    }
  }

  /// Sends the bytes; stores those that the socket does not take.
  func send(_ bytes: [UInt8]) {
    if flags.contains(.built) { sendBuilt() }
    guard state.canSend else { return }
    if !output.isEmpty {
      flags.remove(.sharedOutput)
      output.append(contentsOf: bytes)
      return
    }
    var sent = 0
    while sent < bytes.count {
      let outcome = bytes.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
      switch server.traffic.counted(sent: outcome) {
      case .bytes(let count):
        sent += count
        if sent < bytes.count, sent >= ServerConnection.bytesPerTurn {
          store(bytes, from: sent)
          return flushLater()
        }
      case .wouldBlock, .end: return store(bytes, from: sent)
      case .failed: return perform(state.failed())
      }
    }
  }

  /// Sends the parts in one call; stores the bytes that the socket does not take.
  ///
  /// - Parameter isShared: a `MemoryCharge` counts the second part.
  func send(_ first: [UInt8], _ second: [UInt8], _ third: [UInt8] = [], isShared: Bool = false) {
    if flags.contains(.built) { sendBuilt() }
    guard state.canSend else { return }
    var sent = 0
    if output.isEmpty {
      let outcome = first.withUnsafeBytes { first in
        second.withUnsafeBytes { second in third.withUnsafeBytes { transport.write(first, second, $0) } }
      }
      switch server.traffic.counted(sent: outcome) {
      case .bytes(let count): sent = count
      case .wouldBlock, .end: break
      case .failed: return perform(state.failed())
      }
      if sent == first.count + second.count + third.count { return }
      if sent >= first.count, third.isEmpty {
        if isShared { flags.insert(.sharedOutput) }
        store(second, from: sent - first.count)
        return flush()
      }
    }
    flags.remove(.sharedOutput)
    let rest = output.isEmpty ? first + second + third : output + first + second + third
    store(rest, from: output.isEmpty ? sent : outputSent)
    flush()
  }

  /// Stores unsent bytes, and starts the timer of sending. The sent ones stay in front: dropping them would copy the rest.
  private func store(_ bytes: [UInt8], from sent: Int) {
    output = bytes
    outputSent = sent
    account()
    deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.send)
  }

  private func flushLater() {
    guard flags.insert(.writesLater).inserted else { return }
    let bound = LoopBound(self, on: loop)
    loop.post {
      bound.value.flags.remove(.writesLater)
      if !bound.value.output.isEmpty { bound.value.flush() }
      bound.value.account()
    }
  }

  /// Takes bytes out of a relay's pipe; false when the socket takes no more for now, or never.
  func take(from pipe: Pipe, count: Int, relay: Relay) -> Bool {
    guard state.canSend else { return false }
    switch server.traffic.counted(sent: transport.move(from: pipe, count: count)) {
    case .bytes(let count):
      relay.moved(count)
      deadline = nil
      return true
    case .wouldBlock, .end:
      if deadline == nil { deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.send) }
    case .failed: perform(state.failed())
    }
    return false
  }

  /// Sends stored bytes.
  func flush() {
    let start = outputSent
    while outputSent < output.count {
      let outcome = output.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[outputSent...])) }
      switch server.traffic.counted(sent: outcome) {
      case .bytes(let count):
        outputSent += count
        deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.send)
        if outputSent < output.count, outputSent - start >= ServerConnection.bytesPerTurn { return flushLater() }
      case .wouldBlock, .end: return
      case .failed: return perform(state.failed())
      }
    }
    output = []
    outputSent = 0
    flags.remove(.sharedOutput)
    account()
    flushed()
  }

  /// The client's socket has taken everything. After `100 Continue` the handler may wait for the body.
  private func flushed() {
    let waitsForBody = exchange?.isWaitingForBody == true
    deadline = waitsForBody ? loop.now.advanced(byNanoseconds: server.options.timeouts.body) : nil
    perform(state.flushed())
  }
}
