import AdapterAPI

/// How a connection ends: after its answer, after a refusal, when the server drains, or at once.
extension ServerConnection {
  /// Answers what is no request, and ends: after a framing error nothing that follows can be trusted (RFC 9112 §6.3).
  func refuse(_ fault: HTTPFault) {
    flags.insert(.closing)
    input = []
    let response = tasks.response(to: fault)
    let start = loop.outgoing.count
    server.appendHead(of: response)
    loop.outgoing.append("Connection: close\r\nContent-Length: ")
    loop.outgoing.append(decimal: response.body.prefix.count)
    loop.outgoing.append("\r\n\r\n")
    loop.outgoing.append(contentsOf: response.body.prefix)
    send(loop.outgoing.take(from: start))
    if output.isEmpty { endSending() }
  }

  /// Ends our side and waits a moment for the client to end its own.
  func endSending() {
    guard flags.isDisjoint(with: [.closed, .lingering]) else { return }
    if flags.contains(.peerFinished) { return close() }
    flags.insert(.lingering)
    input = []
    transport.finishWriting()
    deadline = loop.now + ServerConnection.linger
    if flags.contains(.readable), !flags.contains(.consuming) { receive() }
  }

  /// The server drains: an idle connection ends now, one with an exchange after its answer. A request that has arrived counts,
  /// though it was not read yet.
  func drain() {
    guard isIdle else { return }
    flags.insert(.readable)
    receive()
    if isIdle { close() }
  }

  private var isIdle: Bool {
    exchange == nil && isFlushed && input.isEmpty && flags.isDisjoint(with: [.closed, .lingering])
  }

  /// Ends at once, with a reset, so that a cut answer is not taken for a whole one.
  func abort() {
    guard !flags.contains(.closed) else { return }
    transport.abort()
    ceased()
  }

  func close() {
    guard !flags.contains(.closed) else { return }
    transport.close()
    ceased()
  }

  private func ceased() {
    flags.insert(.closed)
    deadline = nil
    loop.remove(self)
    server.connections.remove()
    input = []
    output = []
    account()
    guard let exchange else { return }
    server.connections.exchangeAbandoned()
    exchange.clientGone()
  }
}
