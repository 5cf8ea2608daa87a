import AdapterAPI

/// How a connection ends, and who is told.
extension UpstreamConnection {
  /// The upstream ended its side.
  func ended() {
    if reader.isHeadComplete {
      endComes = true
      return took(reader.end())
    }
    broken("the connection ended before the answer")
  }

  func broken(_ detail: String) {
    if reader.hasBegun { return fail(cut(detail)) }
    fail(Failure(kind: .unreachable, detail: detail, requestLeft: hasLeft))
  }

  func cut(_ detail: String) -> Failure {
    Failure(kind: .malformed, detail: detail, requestLeft: true, answerBegan: true)
  }

  func fail(_ failure: Failure) {
    close()
    connectWaiter?.resume(returning: failure)
    connectWaiter = nil
    answer(.failure(failure))
    pieceWaiter?.resume(returning: .failure(failure))
    pieceWaiter = nil
    relay?.upstreamFailed(failure)
  }

  /// The gateway stops and waits no longer. Whoever waits for the answer is told that it is not known.
  func cut() {
    guard waiter != nil else { return }
    fail(Failure(kind: .timeout, detail: "drain_timeout is over", requestLeft: hasLeft))
  }

  func close() {
    guard state != .closed else { return }
    state = .closed
    deadline = nil
    loop.remove(self)
    transport.close()
    built = 0..<0
    output = []
    outputSent = 0
    pool.connectionClosed(self)
  }
}
