import AdapterAPI

/// The rest of a long response, pulled by its reader or relayed once the first part has been handed over.
extension UpstreamConnection {
  func startStreaming() {
    deadline = nil
    streamTimeLeft = requestDeadline - loop.now
    let stream = UpstreamBodyStream(
      self, exchange: state.exchanges, remaining: state.reader.remaining, priority: priority)
    let body = Body.stream(prefix: state.takeBody(), rest: stream)
    respond(.success(state.reader.response(with: body)))
  }

  /// Returns the next piece of that exchange's streamed body, nil at its end.
  func nextPiece(of exchange: Int) async -> Result<[UInt8]?, Failure> {
    if let piece = readPiece(of: exchange) { return piece }
    let began = loop.now
    waitForUpstream(since: began)
    let bound = LoopBound(self, on: loop)
    let loop = self.loop
    let result = await withTaskCancellationHandler {
      await withUnsafeContinuation { pieceWaiter = $0 }
    } onCancel: {
      loop.post { bound.value.cancelStream(of: exchange) }
    }
    if exchange == state.exchanges { streamTimeLeft -= loop.now - began }
    return result
  }

  /// Returns what can be had without waiting; nil when there is nothing yet.
  private func readPiece(of exchange: Int) -> Result<[UInt8]?, Failure>? {
    while true {
      switch state.pull(exchange) {
      case .piece(let piece): return .success(piece)
      case .completed:
        finish()
        return .success(nil)
      case .nothing: return .success(nil)
      case .failed(let failure): return .failure(failure)
      case .wait: return nil
      case .read:
        let action = state.readStream(by: UnsafeMutableRawBufferPointer(loop.upstreamScratch)) {
          pool.traffic.counted(transport.read(into: $0))
        }
        if case .wait = action { continue }
        tearDown()
        if case .fail(let failure) = action { return .failure(failure) }
      }
    }
  }

  /// The reader of that exchange's stream left.
  func cancelStream(of exchange: Int) { perform(state.streamCancelled(exchange)) }

  private func waitForUpstream(since began: Instant) {
    if state.mustAcknowledge() { transport.acknowledge() }
    deadline = min(began.advanced(byNanoseconds: pool.timeouts.firstByte), began + streamTimeLeft)
  }

  func resumeStream() {
    if let relay {
      if deadline != nil {
        deadline = nil
        streamTimeLeft -= loop.now - relayWaitBegan
      }
      relay.upstreamIsReadable()
    } else if let waiter = pieceWaiter {
      // Taken out first: a piece that turns out malformed closes the connection, which resumes every waiter that is left.
      pieceWaiter = nil
      guard let piece = readPiece(of: state.exchanges) else { return pieceWaiter = waiter }
      // Not later, when the reader's task runs: another exchange may have begun by then.
      if state.phase == .streaming { deadline = nil }
      waiter.resume(returning: piece)
    }
  }

  // MARK: relay

  /// Moves the rest of that exchange's body to the client, socket to socket.
  ///
  /// - Returns: `.unfinished` where that is not possible, or no longer possible: the rest is then pulled piece by piece.
  func relay(exchange: Int, to client: Exchange) async -> Relay.End {
    guard exchange == state.exchanges, state.phase == .streaming, state.reader.unseenPayload > 0,
      client.takesBytesUnseen
    else { return .unfinished }
    return await Relay(from: self, to: client).run()
  }

  /// Moves payload into an empty pipe.
  ///
  /// - Returns: The number of bytes, 0 at the end; nil when there is none yet: `relay.upstreamIsReadable` follows.
  func move(into pipe: Pipe) -> Result<Int, Failure>? {
    let room = min(state.reader.unseenPayload, pipe.capacity)
    switch state.isReadable
      ? state.moved(pool.traffic.counted(received: transport.move(into: pipe, atMost: room))) : .wait
    {
    case .moved(let count): return .success(count)
    case .completed(let count):
      relay?.upstreamHasEnded()
      relay = nil
      finish()
      return .success(count)
    case .failed(let failure):
      tearDown()
      return .failure(failure)
    case .wait:
      relayWaitBegan = loop.now
      waitForUpstream(since: relayWaitBegan)
      return nil
    }
  }
}
