import AdapterAPI

/// Answers on their way to the client: what was put together in this turn, what the socket did not take, what a relay moves.
extension ServerConnection {
  /// A body up to this size leaves in one block with its head, at the end of the turn.
  private static let smallBody = 16 << 10

  /// Sends what stands in the loop's outgoing bytes from `start` on, then the body.
  func sendBuilt(from start: Int, followedBy body: [UInt8]) {
    if body.count <= ServerConnection.smallBody, loop.hasRoom, isFlushed,
      flags.isDisjoint(with: [.closed, .lingering])
    {
      loop.outgoing.append(contentsOf: body)
      builtStart = UInt32(start)
      builtEnd = UInt32(loop.outgoing.count)
      flags.insert(.built)
      loop.sendLater(self)
    } else {
      send(loop.outgoing.take(from: start), body)
    }
  }

  /// Sends the answer that was built in this turn.
  func sendBuilt() {
    flags.remove(.built)
    defer { account() }
    let range = Int(builtStart)..<Int(builtEnd)
    guard flags.isDisjoint(with: [.closed, .lingering]) else { return }
    switch transport.write(loop.outgoing.bytes(range)) {
    case .bytes(range.count): flushed()
    case .bytes(let sent): keep(Array(loop.outgoing.bytes(range.dropFirst(sent))), from: 0)
    case .wouldBlock, .end: keep(Array(loop.outgoing.bytes(range)), from: 0)
    case .failed: abort()
    }
  }

  /// Sends, or keeps what the socket does not take.
  func send(_ bytes: [UInt8]) {
    if flags.contains(.built) { sendBuilt() }
    guard flags.isDisjoint(with: [.closed, .lingering]) else { return }
    if !output.isEmpty {
      flags.remove(.sharedOutput)
      output.append(contentsOf: bytes)
      return
    }
    var sent = 0
    while sent < bytes.count {
      let outcome = bytes.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[sent...])) }
      switch outcome {
      case .bytes(let count):
        sent += count
        if sent < bytes.count, sent >= ServerConnection.bytesPerTurn {
          keep(bytes, from: sent)
          return flushLater()
        }
      case .wouldBlock, .end: return keep(bytes, from: sent)
      case .failed: return abort()
      }
    }
  }

  /// Sends the parts in one call, or keeps what the socket does not take.
  ///
  /// - Parameter isShared: the second part counts in the server's memory elsewhere.
  func send(_ first: [UInt8], _ second: [UInt8], _ third: [UInt8] = [], isShared: Bool = false) {
    if flags.contains(.built) { sendBuilt() }
    guard flags.isDisjoint(with: [.closed, .lingering]) else { return }
    var sent = 0
    if output.isEmpty {
      let outcome = first.withUnsafeBytes { first in
        second.withUnsafeBytes { second in third.withUnsafeBytes { transport.write(first, second, $0) } }
      }
      switch outcome {
      case .bytes(let count): sent = count
      case .wouldBlock, .end: break
      case .failed: return abort()
      }
      if sent == first.count + second.count + third.count { return }
      if sent >= first.count, third.isEmpty {
        if isShared { flags.insert(.sharedOutput) }
        keep(second, from: sent - first.count)
        return flush()
      }
    }
    flags.remove(.sharedOutput)
    let rest = output.isEmpty ? first + second + third : output + first + second + third
    keep(rest, from: output.isEmpty ? sent : outputSent)
    flush()
  }

  /// Keeps what is not sent yet; not cut to that, which would copy all of it.
  private func keep(_ bytes: [UInt8], from sent: Int) {
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

  var isFlushed: Bool { output.isEmpty && !flags.contains(.built) }

  /// Takes bytes out of a relay's pipe; false when the socket takes no more for now, or never.
  func take(from pipe: Pipe, count: Int, relay: Relay) -> Bool {
    guard flags.isDisjoint(with: [.closed, .lingering]) else { return false }
    switch transport.move(from: pipe, count: count) {
    case .bytes(let count):
      relay.moved(count)
      deadline = nil
      return true
    case .wouldBlock, .end:
      if deadline == nil { deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.send) }
    case .failed: abort()
    }
    return false
  }

  func flush() {
    let start = outputSent
    while outputSent < output.count {
      let outcome = output.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[outputSent...])) }
      switch outcome {
      case .bytes(let count):
        outputSent += count
        deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.send)
        if outputSent < output.count, outputSent - start >= ServerConnection.bytesPerTurn { return flushLater() }
      case .wouldBlock, .end: return
      case .failed: return abort()
      }
    }
    output = []
    outputSent = 0
    flags.remove(.sharedOutput)
    account()
    flushed()
  }

  /// The client's socket has taken everything.
  private func flushed() {
    // A body may be waited for since the client was told to go on.
    deadline =
      exchange?.isWaitingForBody == true ? loop.now.advanced(byNanoseconds: server.options.timeouts.body) : nil
    if let exchange { exchange.resumeFlush(true) } else { proceed() }
  }
}
