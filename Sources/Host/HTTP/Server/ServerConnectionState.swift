/// The life of a client's connection, decided without socket, clock and buffers. Events go in, an action comes out.
///
/// | phase | meaning | successors |
/// | --- | --- | --- |
/// | `idle` | no byte of the next request has arrived | `head`, `exchange`, `flushing` (refused), `lingering`, `closed` |
/// | `head` | a part of a head has arrived | `exchange`, `flushing` (refused), `lingering`, `closed` |
/// | `exchange` | the handler serves a request | `idle`, `flushing`, `closed` |
/// | `flushing` | the handler has returned, the client has yet to take the response | `idle`, `closed` |
/// | `lingering` | the server's side has ended; received bytes are dropped | `closed` |
/// | `closed` | the socket is closed | – |
struct ServerConnectionState {
  enum Phase: UInt8 { case idle, head, exchange, flushing, lingering, closed }

  enum Action: UInt8 {
    /// There is nothing to do until the next event.
    case wait
    /// Read from the socket.
    case read
    /// Start the next request.
    case next
    /// The client has taken all bytes of the response so far: resume the handler.
    case resumeHandler
    /// Start the idle timer.
    case awaitRequest
    /// Start the timer of the head, which further bytes do not move.
    case awaitHead
    /// End the sending side and start the linger timer.
    case endSending
    case close
    /// Close with a reset, so that the client does not take a part of a response for the whole.
    case reset
    /// Refuse the request: its head is late.
    case headTimedOut
    /// Fail the handler's wait for the body.
    case bodyTimedOut, bodyCutOff
  }

  private struct Flags: OptionSet {
    let rawValue: UInt8
    static let readable = Flags(rawValue: 1)
    static let endBehindBytes = Flags(rawValue: 2)
    static let clientEnded = Flags(rawValue: 4)
    static let closesAfterResponse = Flags(rawValue: 8)
  }

  private(set) var phase = Phase.idle
  private var flags: Flags = []

  /// The socket has, or may have, bytes that were not read.
  var isReadable: Bool { flags.contains(.readable) }
  /// The connection ends after the response in progress.
  var closesAfterResponse: Bool { flags.contains(.closesAfterResponse) }
  /// Bytes can still be sent to the client.
  var canSend: Bool { phase != .lingering && phase != .closed }
  /// The next request may start.
  var canStart: Bool { (phase == .idle || phase == .head) && !closesAfterResponse }

  /// Received bytes have a use now.
  ///
  /// - Parameter waitsForBody: the handler waits for bytes of the body.
  func wantsInput(waitsForBody: Bool) -> Bool {
    switch phase {
    case .idle, .head: !closesAfterResponse
    case .exchange: waitsForBody
    case .lingering: true
    case .flushing, .closed: false
    }
  }

  // MARK: events of the socket

  /// The socket became readable.
  ///
  /// - Parameter isEnding: the client's end stands behind the bytes; no further event will tell.
  mutating func readable(isEnding: Bool = false) {
    flags.insert(.readable)
    if isEnding { flags.insert(.endBehindBytes) }
  }

  /// A read returned bytes.
  ///
  /// - Parameter isDrained: it took all bytes that the socket had; the next event tells of more.
  mutating func read(isDrained: Bool) { if isDrained, !flags.contains(.endBehindBytes) { readWouldBlock() } }

  /// A read found nothing.
  mutating func readWouldBlock() { flags.remove(.readable) }

  /// A read found the client's end.
  mutating func clientEnded(waitsForBody: Bool) -> Action {
    flags.remove(.readable)
    flags.insert(.clientEnded)
    if phase == .exchange { return waitsForBody ? .bodyCutOff : .wait }
    return close()
  }

  /// The socket was reset (`isError`), or both sides have ended.
  mutating func hungUp(isError: Bool) -> Action {
    phase != .lingering && (isError || phase == .exchange) ? reset() : .wait
  }

  /// Reading or writing failed.
  mutating func failed() -> Action { reset() }

  /// The client has taken all bytes that were given to the connection.
  mutating func flushed() -> Action {
    switch phase {
    case .exchange: return .resumeHandler
    case .flushing:
      phase = .idle
      return .next
    default: return .wait
    }
  }

  // MARK: events of the requests

  /// A whole head was read.
  mutating func began() { phase = .exchange }

  /// The bytes are not a request, or a head is late: a response follows, then the end.
  mutating func refused() {
    guard canSend else { return }
    phase = .flushing
    flags.insert(.closesAfterResponse)
  }

  /// The handler waits for the rest of the body.
  func awaitsBody() -> Action {
    if flags.contains(.clientEnded) { return .bodyCutOff }
    return isReadable ? .read : .wait
  }

  /// The connection can't be used after the response in progress.
  mutating func mustClose() { flags.insert(.closesAfterResponse) }

  /// The head of a response is being built: returns true when it has to announce the connection's end.
  mutating func responds(mayKeepAlive: Bool) -> Bool {
    if !mayKeepAlive || flags.contains(.clientEnded) { mustClose() }
    return closesAfterResponse
  }

  /// The handler has returned.
  ///
  /// - Parameter isFlushed: the client has taken all of the response.
  mutating func exchangeEnded(hasResponded: Bool, isFlushed: Bool) -> Action {
    guard phase == .exchange else { return .wait }
    guard hasResponded else { return reset() }
    phase = isFlushed ? .idle : .flushing
    return isFlushed ? .next : .wait
  }

  /// All requests that have arrived were started: decides what the connection waits for now.
  ///
  /// - Parameter hasInput: a part of a head has arrived.
  mutating func settled(hasInput: Bool) -> Action {
    guard phase == .idle || phase == .head else { return .wait }
    if closesAfterResponse { return endSending() }
    guard hasInput else {
      phase = .idle
      return .awaitRequest
    }
    if phase == .head { return .wait }
    phase = .head
    return .awaitHead
  }

  // MARK: ends

  /// The deadline has passed.
  ///
  /// - Parameter waitsForClient: bytes of a response wait for the client to take them.
  mutating func expired(waitsForClient: Bool, waitsForBody: Bool) -> Action {
    if phase == .lingering { return close() }
    if waitsForClient { return reset() }
    switch phase {
    case .idle: return endSending()
    case .head: return .headTimedOut
    case .exchange: return waitsForBody ? .bodyTimedOut : .wait
    case .flushing, .lingering, .closed: return .wait
    }
  }

  /// The server drains, and nothing more has arrived.
  mutating func drained() -> Action { phase == .idle ? close() : .wait }

  /// The server waits for the client no longer.
  mutating func ended() -> Action { close() }

  /// The connection ends at once.
  mutating func reset() -> Action {
    guard phase != .closed else { return .wait }
    phase = .closed
    return .reset
  }

  private mutating func close() -> Action {
    guard phase != .closed else { return .wait }
    phase = .closed
    return .close
  }

  private mutating func endSending() -> Action {
    if flags.contains(.clientEnded) { return close() }
    phase = .lingering
    return .endSending
  }
}
