import AdapterAPI

/// The rest of a long answer, pulled by its reader piece by piece once the first 64 KiB are handed over.
extension UpstreamConnection {
  func startStreaming() {
    state = .streaming
    deadline = nil
    patienceLeft = totalDeadline - loop.now
    let stream = UpstreamBodyStream(self, exchange: exchanges, remaining: reader.remaining)
    answer(.success(reader.response(with: .stream(prefix: reader.takeBody(), rest: stream))))
  }

  /// The next piece of that exchange's streamed body, nil at its end.
  func nextPiece(of exchange: Int) async -> Result<[UInt8]?, Failure> {
    guard exchange == exchanges, state != .idle else { return .success(nil) }
    if let piece = readPiece() { return piece }
    let began = loop.now
    deadline = min(began.advanced(byNanoseconds: pool.timeouts.firstByte), began + patienceLeft)
    let bound = LoopBound(self, on: loop)
    let loop = self.loop
    let result = await withTaskCancellationHandler {
      await withUnsafeContinuation { pieceWaiter = $0 }
    } onCancel: {
      loop.post { bound.value.cancelStream(of: exchange) }
    }
    if exchange == exchanges { patienceLeft -= loop.now - began }
    return result
  }

  func resumePiece(_ waiting: UnsafeContinuation<Result<[UInt8]?, Failure>, Never>) {
    // Taken out first: a piece that turns out malformed ends the connection, and with it whoever still waits.
    pieceWaiter = nil
    guard let piece = readPiece() else {
      pieceWaiter = waiting
      return
    }
    // Not later, when the reader's task runs: the connection may be in other hands by then.
    if state == .streaming { deadline = nil }
    waiting.resume(returning: piece)
  }

  /// What can be had without waiting; nil when there is nothing yet.
  private func readPiece() -> Result<[UInt8]?, Failure>? {
    while true {
      if !reader.body.isEmpty { return .success(reader.takeBody()) }
      if reader.isComplete {
        if state == .streaming { finish() }
        return .success(nil)
      }
      if state == .closed { return .failure(cut("the answer was cut off")) }
      guard isReadable else { return nil }
      let (outcome, step) = readSome()
      switch outcome {
      case .bytes:
        if case .failed(let detail) = step {
          close()
          return .failure(cut(detail))
        }
      case .wouldBlock: isReadable = false
      case .end:
        _ = reader.end()
        close()
      case .failed: close()
      }
    }
  }

  private func readSome() -> (Transport.Outcome, ResponseReader.Step) {
    let room = reader.room(upTo: UpstreamConnection.holdBack)
    if room > 0 { return readBody(room) }
    let outcome = transport.read(into: UnsafeMutableRawBufferPointer(loop.upstreamScratch))
    guard case .bytes(let count) = outcome else { return (outcome, .needMore) }
    hasRead(count, of: EventLoop.upstreamScratchSize)
    return (outcome, reader.feed(UnsafePointer(loop.upstreamScratch.baseAddress!), count))
  }

  /// Nobody reads that exchange's stream any more.
  func cancelStream(of exchange: Int) {
    guard state == .streaming, exchange == exchanges else { return }
    fail(Failure(kind: .cancelled, detail: "the caller left", requestLeft: true, answerBegan: true))
  }

  // MARK: relay

  /// Moves the rest of that exchange's body to the client, socket to socket. `.unfinished` where that can't be done, or no longer:
  /// then it goes on piece by piece.
  func relay(exchange: Int, to client: Exchange) async -> Relay.End {
    guard exchange == exchanges, state == .streaming, reader.unseenPayload > 0, client.takesBytesUnseen else {
      return .unfinished
    }
    return await Relay(from: self, to: client).run()
  }

  /// Moves payload into an empty pipe: how much (0 at the end), or nil when there is none yet, and the relay is told later.
  func move(into pipe: Pipe) -> Result<Int, Failure>? {
    guard isReadable else { return waitForPayload() }
    switch transport.move(into: pipe, atMost: min(reader.unseenPayload, pipe.capacity)) {
    case .bytes(let count): return took(count)
    case .wouldBlock:
      // With an empty pipe it is the socket that has nothing; the end comes behind the bytes that are in it.
      isReadable = false
      return waitForPayload()
    case .end:
      if case .failed(let detail) = reader.end() { return broken(detail) }
      finishRelay()
      return .success(0)
    case .failed: return broken("the answer was cut off")
    }
  }

  private func took(_ count: Int) -> Result<Int, Failure> {
    switch reader.passed(count) {
    case .needMore: break
    case .complete: finishRelay()
    case .failed(let detail): return broken(detail)
    }
    return .success(count)
  }

  private func finishRelay() {
    relay?.upstreamHasEnded()
    relay = nil
    finish()
  }

  private func broken(_ detail: String) -> Result<Int, Failure> {
    close()
    return .failure(cut(detail))
  }

  private func waitForPayload() -> Result<Int, Failure>? {
    waitBegan = loop.now
    deadline = min(waitBegan.advanced(byNanoseconds: pool.timeouts.firstByte), waitBegan + patienceLeft)
    return nil
  }

  /// There is something to read while it streams.
  func streamIsReadable() {
    isReadable = true
    if let relay {
      if deadline != nil {
        deadline = nil
        patienceLeft -= loop.now - waitBegan
      }
      relay.upstreamIsReadable()
    } else if let waiter = pieceWaiter {
      resumePiece(waiter)
    }
  }
}
