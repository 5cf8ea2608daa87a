import AdapterAPI
import CLinux
import Glibc

/// One connection to an upstream: sends one request at a time, reads the response, and returns to its pool.
///
/// `UpstreamConnectionState` decides; this class performs: socket, deadlines, and the continuations of the callers, each of which
/// is resumed once. Touched by its loop's thread only.
final class UpstreamConnection: LoopObject {
  typealias Failure = UpstreamFailure

  let transport: Transport
  let address: SocketAddress
  let pool: UpstreamPool
  var state: UpstreamConnectionState

  /// The bytes of the request in `loop.outgoing`, until the end of the turn; empty once they have left or `output` has them.
  private var built = 0..<0
  /// Bytes of the request that the socket did not take at once.
  private var output: [UInt8] = []
  private var outputSent = 0
  private(set) var requestDeadline = Instant.distantFuture
  private(set) var priority = Priority.values
  private var responseWaiter: UnsafeContinuation<Result<HTTPResponse, Failure>, Never>?
  /// The loop's turn in which the last exchange ended.
  private var idleSince = 0

  /// Opens the connection, together with attempts at other addresses; nil once it is open.
  var race: ConnectionRace?
  /// The permit for a connection is returned when this one closes.
  var holdsPermit = false
  /// The value of `UpstreamPool.listing` for which the address was found to be one of the upstream's.
  var listing = -1
  var pieceWaiter: UnsafeContinuation<Result<[UInt8]?, Failure>, Never>?
  /// The rest of the time that may be spent on waiting for the upstream while it streams, without the reader's own pauses.
  var streamTimeLeft = Duration.zero
  /// Moves the rest of the body from socket to socket, where it is not pulled piece by piece.
  var relay: Relay?
  /// The time since which the relay waits for more.
  var relayWaitBegan = Instant.distantFuture

  init(fd: Int32, address: SocketAddress, pool: UpstreamPool) {
    transport = Transport(fd: fd)
    self.address = address
    self.pool = pool
    state = UpstreamConnectionState(pool.options)
    super.init(loop: pool.loop)
  }

  // MARK: the exchange

  /// Sends the request and waits for the response: its head, and all of its body or the first 64 KiB of it.
  ///
  /// A caller that leaves ends the exchange of a read. A write of which a byte has left continues to its end.
  func exchange(_ request: HTTPRequest, deadline: Instant) async -> Result<HTTPResponse, Failure> {
    let bound = LoopBound(self, on: loop)
    let loop = self.loop
    let number = state.exchanges + 1
    if Task.isCancelled {
      if state.phase == .idle { pool.returned(self) }
      return .failure(.callerLeft)
    }
    guard state.phase != .closed else { return .failure(.hadEnded) }
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        precondition(responseWaiter == nil, "one exchange at a time")
        responseWaiter = continuation
        start(request, deadline: deadline)
      }
    } onCancel: {
      loop.post { bound.value.perform(bound.value.state.callerLeft(number)) }
    }
  }

  private func start(_ request: HTTPRequest, deadline: Instant) {
    let hasRoom = loop.hasRoom
    let action = state.begin(
      isWrite: request.isWrite, leavesAtOnce: !hasRoom, endedThisTurn: idleSince == loop.turns,
      isQuiet: transport.isQuiet)
    guard case .write = action else { return perform(action) }
    requestDeadline = deadline
    priority = request.priority
    self.deadline = deadline
    let begin = loop.outgoing.count
    pool.serializer.append(request, to: &loop.outgoing)
    if hasRoom {
      built = begin..<loop.outgoing.count
      loop.sendLater(self)
    } else {
      output = loop.outgoing.take(from: begin)
      write()
    }
  }

  override func sendNow() {
    guard state.phase == .sending, !built.isEmpty else { return }
    let range = built
    built = 0..<0
    switch pool.traffic.counted(sent: transport.write(loop.outgoing.bytes(range))) {
    case .bytes(let count):
      if count < range.count { output = Array(loop.outgoing.bytes(range.dropFirst(count))) }
      perform(state.wrote(count, isLast: count == range.count))
    case .wouldBlock, .end: output = Array(loop.outgoing.bytes(range))
    case .failed(let code): perform(state.writeFailed(code))
    }
  }

  private func write() {
    guard state.phase == .sending, built.isEmpty else { return }
    while outputSent < output.count {
      let outcome = output.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[outputSent...])) }
      switch pool.traffic.counted(sent: outcome) {
      case .bytes(let count):
        outputSent += count
        perform(state.wrote(count, isLast: outputSent == output.count))
      case .wouldBlock, .end: return
      case .failed(let code):
        if state.hasLeft { perform(state.readable()) }
        return perform(state.writeFailed(code))
      }
    }
  }

  private func read() {
    while state.wantsToRead {
      perform(
        state.read(by: UnsafeMutableRawBufferPointer(loop.upstreamScratch)) {
          pool.traffic.counted(transport.read(into: $0))
        })
      if state.phase == .receiving { deadline = requestDeadline }
    }
  }

  /// Ends the exchange: the connection returns to the pool, or is closed.
  func finish() {
    deadline = nil
    guard state.phase == .idle else { return tearDown() }
    idleSince = loop.turns
    pool.returned(self)
  }

  // MARK: events

  override func handle(events: UInt32) {
    if events & (PG_EPOLLRDHUP | PG_EPOLLHUP | PG_EPOLLERR) != 0 { state.peerEnds() }
    if state.phase == .connecting {
      if events & (PG_EPOLLIN | PG_EPOLLRDHUP) != 0 { perform(state.readable()) }
      if events & (PG_EPOLLOUT | PG_EPOLLERR | PG_EPOLLHUP) != 0 { perform(state.opened(connectError())) }
      return
    }
    if events & PG_EPOLLOUT != 0 { write() }
    guard events & (PG_EPOLLIN | PG_EPOLLRDHUP | PG_EPOLLHUP | PG_EPOLLERR) != 0 else { return }
    perform(state.readable())
  }

  override func deadlineReached() { perform(state.expired()) }

  /// Closes the connection. No exchange may be under way.
  func close() { perform(state.close()) }

  /// The gateway stops and waits no longer. The caller learns that the outcome is unknown.
  func cut() { perform(state.drainExpired()) }

  // MARK: actions

  func perform(_ action: UpstreamConnectionState.Action) {
    switch action {
    case .wait: break
    case .connected:
      deadline = nil
      endRace()?.opened(self)
    case .write: write()
    case .awaitResponse:
      output = []
      outputSent = 0
      deadline = min(requestDeadline, loop.now.advanced(byNanoseconds: pool.timeouts.firstByte))
      read()
    case .read: read()
    case .acknowledge: transport.acknowledge()
    case .respond:
      let response = state.reader.response(with: .bytes(state.takeBody()))
      finish()
      respond(.success(response))
    case .stream: startStreaming()
    case .resumeStream: resumeStream()
    case .close: tearDown()
    case .fail(let failure): fail(failure)
    }
  }

  func respond(_ result: Result<HTTPResponse, Failure>) {
    let waiting = responseWaiter
    responseWaiter = nil
    waiting?.resume(returning: result)
  }

  private func fail(_ failure: Failure) {
    tearDown()
    endRace()?.failed(self, failure)
    respond(.failure(failure))
    pieceWaiter?.resume(returning: .failure(failure))
    pieceWaiter = nil
    relay?.upstreamFailed(failure)
  }

  private func endRace() -> ConnectionRace? {
    defer { race = nil }
    return race
  }

  /// Closes the socket and gives the connection's permit back, once: the state never leaves `closed`.
  func tearDown() {
    deadline = nil
    loop.remove(self)
    transport.close()
    built = 0..<0
    output = []
    outputSent = 0
    pool.closed(self)
  }
}
