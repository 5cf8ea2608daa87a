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
      switch transport.read(into: UnsafeMutableRawBufferPointer(loop.upstreamScratch)) {
      case .bytes(let count):
        hasRead(count)
        if case .failed(let detail) = reader.feed(UnsafePointer(loop.upstreamScratch.baseAddress!), count) {
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

  /// Nobody reads that exchange's stream any more.
  func cancelStream(of exchange: Int) {
    guard state == .streaming, exchange == exchanges else { return }
    fail(Failure(kind: .cancelled, detail: "the caller left", requestLeft: true, answerBegan: true))
  }
}
