/// The state machine of one connection to an upstream. It takes events and returns the action to perform; it has no socket and
/// no clock. `UpstreamConnection` drives it.
///
/// ```
/// phase         meaning                                                         next
/// connecting    the connection is being opened                                  idle
/// idle          no exchange is under way: in the pool, or checked out of it     sending
/// sending       not all of the request has left                                 awaitingHead, receiving
/// awaitingHead  the request has left, the response head is not complete         receiving
/// receiving     the response is read, up to `prefixSize` bytes of its body      idle, streaming
/// streaming     the caller has the first part of the body and pulls the rest    idle
/// closed        final; every phase may lead here
/// ```
struct UpstreamConnectionState {
  enum Phase { case connecting, idle, sending, awaitingHead, receiving, streaming, closed }

  enum Action: Equatable {
    /// Wait for the next event.
    case wait
    /// Tell the caller that the connection is open.
    case connected
    /// Write the request.
    case write
    /// All of the request has left: start the timeout for the response, and read if `wantsToRead`.
    case awaitResponse
    /// Read while `wantsToRead`.
    case read
    /// Acknowledge the received bytes at once: the upstream may hold back the next ones until then.
    case acknowledge
    /// Hand over the whole response. The exchange is over: the phase is `idle` or `closed`.
    case respond
    /// Hand over the head and the first part of the body; the rest streams.
    case stream
    /// Give the reader of the streamed body its next piece.
    case resumeStream
    /// Close the socket. No caller waits.
    case close
    /// Close the socket and report the failure to the caller that waits.
    case fail(UpstreamFailure)
  }

  /// A response body up to this size is read whole. Of a longer one, this many bytes are read before the rest streams.
  static let prefixSize = 64 << 10
  /// The size of the first read of a response. With more, copying would cost more than a second call.
  private static let firstRead = 16 << 10
  /// A piece of a stream up to this size may be a segment that is not full.
  private static let smallPiece = 16 << 10

  private(set) var phase = Phase.connecting
  /// The number of exchanges begun on this connection. Late events name their exchange, so that they never reach the next one.
  private(set) var exchanges = 0
  /// A byte of the request has left.
  private(set) var hasLeft = false
  /// The socket has bytes or an end that were not read, or may have.
  private(set) var isReadable = false
  private(set) var reader: ResponseReader
  private var isWrite = false
  /// The peer's end, or an error, stands behind the bytes that can be read. No further event will tell.
  private var isEnding = false
  /// The response began before all of the request had left, so the connection is not used again.
  private var respondedEarly = false
  /// The received bytes since the last time that all of them were read.
  private var unacknowledged = 0

  init(_ options: UpstreamOptions) {
    reader = ResponseReader(
      maxHead: options.maxResponseHead, maxBody: options.maxResponseBody, credentialFields: options.credentialFields)
  }

  /// A caller waits for the response.
  var isExchanging: Bool { phase == .sending || phase == .awaitingHead || phase == .receiving }
  var wantsToRead: Bool { isReadable && isExchanging }

  // MARK: events

  /// The connection was opened (`code` 0), or could not be (`errno`).
  mutating func opened(_ code: Int32 = 0) -> Action {
    guard phase == .connecting else { return .wait }
    guard code == 0 else { return fail(.unreachable, "connect: \(System.errorText(code))") }
    phase = .idle
    return .connected
  }

  /// A request is to be sent.
  ///
  /// Bytes or an end that wait on a used connection must not be taken for the response to this request. An event has reported
  /// them if they came before this turn of the event loop, and the events of this turn are handled before a request leaves at its
  /// end. The socket is asked in the other cases: the last exchange ended in this turn, the request leaves at once, or it is a
  /// write, which can't be repeated.
  ///
  /// - Parameter isQuiet: Asks the socket: it has neither bytes nor an end to read.
  mutating func begin(
    isWrite: Bool, leavesAtOnce: Bool, endedThisTurn: Bool, isQuiet: @autoclosure () -> Bool
  ) -> Action {
    let isUsed = exchanges > 0
    exchanges += 1
    hasLeft = false
    let mustAsk = isReadable || isUsed && (isWrite || leavesAtOnce || endedThisTurn)
    guard phase == .idle, !mustAsk || isQuiet() else { return fail(.hadEnded) }
    isReadable = false
    respondedEarly = false
    unacknowledged = 0
    self.isWrite = isWrite
    reader.reset()
    phase = .sending
    return .write
  }

  /// The socket has taken bytes of the request, all of what was left of it where `isLast`.
  mutating func wrote(_ count: Int, isLast: Bool) -> Action {
    guard phase == .sending else { return .wait }
    if count > 0 { hasLeft = true }
    guard isLast else { return .wait }
    phase = .awaitingHead
    return .awaitResponse
  }

  /// Writing failed. Report what can be read first (`readable`): the upstream may have responded before it closed (RFC 9112 §9.5).
  mutating func writeFailed(_ code: Int32) -> Action {
    phase == .sending ? broken("send: \(System.errorText(code))") : .wait
  }

  /// The peer has ended its side, or the connection has an error.
  mutating func peerEnds() { isEnding = true }

  /// The socket has bytes, an end or an error to read.
  mutating func readable() -> Action {
    switch phase {
    // The end, or bytes that no request asked for: the connection can't be used again.
    case .idle: return close()
    case .sending where !hasLeft: return fail(.hadEnded)
    case .sending, .awaitingHead, .receiving:
      isReadable = true
      return .read
    case .streaming:
      isReadable = true
      return .resumeStream
    case .connecting:
      // `begin` asks the socket.
      isReadable = true
      return .wait
    case .closed: return .wait
    }
  }

  /// Reads once: payload whose length is known into the body, anything else by way of `scratch`.
  mutating func read(
    by scratch: UnsafeMutableRawBufferPointer, from source: (UnsafeMutableRawBufferPointer) -> Transport.Read
  ) -> Action {
    let (outcome, step) = readOnce(by: scratch, from: source)
    switch outcome {
    case .bytes:
      if phase != .receiving, reader.isHeadComplete {
        respondedEarly = phase == .sending
        phase = .receiving
      }
      return took(step)
    case .wouldBlock:
      isReadable = false
      return mustAcknowledge() ? .acknowledge : .wait
    case .end:
      guard reader.isHeadComplete else { return broken("the connection ended before the response") }
      isEnding = true
      return took(reader.end())
    case .failed(let code): return broken("receive: \(System.errorText(code))")
    }
  }

  /// The deadline of the current phase has passed.
  mutating func expired() -> Action {
    switch phase {
    case .connecting: fail(.timeout, "no connection within connect_timeout")
    case .idle: close()
    case .sending: fail(.timeout, "the upstream did not take the request in time")
    case .awaitingHead: fail(.timeout, "no response in time")
    case .receiving, .streaming: fail(.timeout, "the response did not end in time", responseBegan: true)
    case .closed: .wait
    }
  }

  /// The caller of that exchange was cancelled. A write of which a byte has left continues.
  mutating func callerLeft(_ exchange: Int) -> Action {
    guard isExchanging, exchange == exchanges, !(isWrite && hasLeft) else { return .wait }
    return fail(.cancelled, "the caller left")
  }

  /// The gateway stops and waits no longer: the outcome of the exchange is unknown.
  mutating func drainExpired() -> Action {
    isExchanging ? fail(.timeout, "drain_timeout is over") : .wait
  }

  /// The owner closes the connection.
  mutating func close() -> Action {
    guard phase != .closed else { return .wait }
    phase = .closed
    return .close
  }

  // MARK: decisions

  private mutating func readOnce(
    by scratch: UnsafeMutableRawBufferPointer, from source: (UnsafeMutableRawBufferPointer) -> Transport.Read
  ) -> (Transport.Read, ResponseReader.Step) {
    var outcome = Transport.Read.wouldBlock
    let room = reader.room(upTo: Self.prefixSize)
    if room > 0 {
      let step = reader.readBody(room) { space in
        outcome = source(space)
        if case .bytes(let count, _) = outcome { return count }
        return nil
      }
      noteRead(outcome)
      return (outcome, step)
    }
    let size = reader.isHeadComplete ? scratch.count : min(Self.firstRead, scratch.count)
    outcome = source(UnsafeMutableRawBufferPointer(rebasing: scratch[..<size]))
    noteRead(outcome)
    guard case .bytes(let count, _) = outcome else { return (outcome, .needMore) }
    return (outcome, reader.feed(UnsafePointer(scratch.baseAddress!.assumingMemoryBound(to: UInt8.self)), count))
  }

  /// An event will tell when a drained socket has more, unless the end came with the bytes.
  private mutating func noteRead(_ outcome: Transport.Read) {
    guard case .bytes(let count, let isDrained) = outcome else { return }
    unacknowledged += count
    if isDrained, !isEnding { isReadable = false }
  }

  /// Tells whether the received part of a response must be acknowledged at once, now that the socket is drained.
  ///
  /// Many servers send head and body in two segments with Nagle's algorithm, which holds the second one back until the first is
  /// acknowledged. The kernel delays an acknowledgement by 40 ms, as long as it expects the program to send something that can carry
  /// it. A complete response needs none. Of a stream only small pieces need one, since the kernel acknowledges every second full
  /// segment itself.
  ///
  /// Not inlined, so that the path of a response that arrives whole stays short.
  @inline(never)
  mutating func mustAcknowledge() -> Bool {
    guard !isReadable, unacknowledged > 0 else { return false }
    defer { unacknowledged = 0 }
    return phase != .streaming || unacknowledged < Self.smallPiece
  }

  /// Takes the payload that has gathered.
  mutating func takeBody() -> [UInt8] { reader.takeBody() }

  private mutating func took(_ step: ResponseReader.Step) -> Action {
    switch step {
    case .needMore:
      guard reader.body.count >= Self.prefixSize else { return mustAcknowledge() ? .acknowledge : .wait }
      phase = .streaming
      // The first part of a stream says nothing about its pieces.
      unacknowledged = min(unacknowledged, 1)
      return .stream
    case .complete:
      finish()
      return .respond
    case .failed(let detail): return fail(.malformed(detail))
    }
  }

  private mutating func finish() {
    phase = reader.allowsReuse && !isEnding && !respondedEarly ? .idle : .closed
  }

  private mutating func broken(_ detail: String) -> Action {
    reader.hasBegun ? fail(.malformed(detail)) : fail(.unreachable, detail)
  }

  private mutating func fail(
    _ kind: UpstreamFailure.Kind, _ detail: String, responseBegan: Bool = false
  ) -> Action {
    fail(UpstreamFailure(kind: kind, detail: detail, requestLeft: hasLeft, responseBegan: responseBegan))
  }

  private mutating func fail(_ failure: UpstreamFailure) -> Action {
    guard phase != .closed else { return .wait }
    phase = .closed
    return .fail(failure)
  }
}

// MARK: streaming

extension UpstreamConnectionState {
  /// The result of a pull by the reader of a streamed body.
  enum Pull: Equatable {
    case piece([UInt8])
    /// The body is complete. The exchange is over: the phase is `idle` or `closed`.
    case completed
    /// There is nothing more to do; the connection is unchanged.
    case nothing
    case failed(UpstreamFailure)
    /// Read (`readStream`), then pull again.
    case read
    case wait
  }

  /// The result of moving payload out of the socket without reading it.
  enum Move: Equatable {
    case moved(Int)
    /// The last bytes have been moved. The exchange is over: the phase is `idle` or `closed`.
    case completed(Int)
    /// Close the socket; the failure is for the caller.
    case failed(UpstreamFailure)
    case wait
  }

  /// Returns the next piece of that exchange's body.
  mutating func pull(_ exchange: Int) -> Pull {
    guard exchange == exchanges, phase != .idle else { return .nothing }
    if !reader.body.isEmpty { return .piece(reader.takeBody()) }
    if reader.isComplete {
      guard phase == .streaming else { return .nothing }
      finish()
      return .completed
    }
    if phase == .closed { return .failed(.cutOff) }
    return isReadable ? .read : .wait
  }

  /// Reads once for the streamed body.
  ///
  /// - Returns: `.wait`, `.close` (bytes that came before can still be pulled), or `.fail`.
  mutating func readStream(
    by scratch: UnsafeMutableRawBufferPointer, from source: (UnsafeMutableRawBufferPointer) -> Transport.Read
  ) -> Action {
    let (outcome, step) = readOnce(by: scratch, from: source)
    switch outcome {
    case .bytes:
      if case .failed(let detail) = step { return fail(.malformed(detail)) }
      return .wait
    case .wouldBlock:
      isReadable = false
      return .wait
    case .end:
      _ = reader.end()
      return close()
    case .failed: return close()
    }
  }

  /// Payload was moved out of the socket into an empty pipe, so that `wouldBlock` means that the socket has none.
  mutating func moved(_ outcome: Transport.Outcome) -> Move {
    var (count, step) = (0, ResponseReader.Step.needMore)
    switch outcome {
    case .bytes(let moved):
      unacknowledged += moved
      (count, step) = (moved, reader.passed(moved))
    case .wouldBlock:
      isReadable = false
      return .wait
    case .end: step = reader.end()
    case .failed: step = .failed(UpstreamFailure.cutOff.detail)
    }
    switch step {
    case .needMore: return .moved(count)
    case .complete:
      finish()
      return .completed(count)
    case .failed(let detail):
      phase = .closed
      return .failed(.malformed(detail))
    }
  }

  /// The reader of that exchange's body left.
  mutating func streamCancelled(_ exchange: Int) -> Action {
    guard phase == .streaming, exchange == exchanges else { return .wait }
    return fail(.cancelled, "the caller left", responseBegan: true)
  }
}
