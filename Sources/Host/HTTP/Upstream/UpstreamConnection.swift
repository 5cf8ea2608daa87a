import AdapterAPI
import CLinux
import Glibc

/// One connection to an upstream: connects, sends one request at a time, reads the answer, goes back to its pool.
///
/// ```
/// connecting → sending → awaitingHead → receiving → (streaming →) idle → sending …
///                     any → closed
/// ```
/// It tells its outcome to the one continuation that waits for it, never twice. Touched by its loop's thread only.
final class UpstreamConnection: LoopObject {
  typealias Failure = UpstreamFailure
  enum State { case connecting, idle, sending, awaitingHead, receiving, streaming, closed }

  var state = State.connecting
  /// Counts the exchanges; 0 means that a failure is not that of an old connection. What is meant for one of them names it, so
  /// that it never reaches a later one.
  private(set) var exchanges = 0
  let transport: Transport
  let limits: Configuration.UpstreamLimits
  let pool: UpstreamPool

  // The exchange under way.
  /// Where the request stands in the loop's outgoing bytes, until the end of the turn; empty once it has left, or `output` has it.
  var built = 0..<0
  /// What the socket did not take at once.
  var output: [UInt8] = []
  var outputSent = 0
  /// A byte of the request left.
  var hasLeft = false
  private var isWrite = false
  private(set) var totalDeadline = Instant.distantFuture
  var waiter: UnsafeContinuation<Result<HTTPResponse, Failure>, Never>?
  var connectWaiter: UnsafeContinuation<Failure?, Never>?

  // The answer.
  var reader: ResponseReader
  private var answeredEarly = false
  /// The loop's turn in which the last exchange ended.
  private var idleSince = 0
  /// The socket has, or may have, bytes that were not read.
  var isReadable = false
  /// The end, or an error, stands behind the bytes that can be read: no further edge will tell.
  var endComes = false
  var pieceWaiter: UnsafeContinuation<Result<[UInt8]?, Failure>, Never>?
  /// How long the upstream may still be waited for while it streams: the reader's own pauses don't count.
  var patienceLeft = Duration.zero

  /// Takes the rest of the body, where it does not go piece by piece.
  var relay: Relay?
  /// Since when the relay waits for more.
  var waitBegan = Instant.distantFuture

  /// Answers up to this size are read whole; of longer ones this much is held back before the rest streams.
  static let holdBack = 64 << 10
  /// So much is read of an answer of which nothing is known: from there on one more call costs less than a copy.
  private static let firstRead = 16 << 10

  init(fd: Int32, pool: UpstreamPool, limits: Configuration.UpstreamLimits, loop: EventLoop) {
    transport = Transport(fd: fd)
    self.pool = pool
    self.limits = limits
    reader = ResponseReader(maxHead: limits.maxResponseHead, maxBody: limits.maxResponseBody)
    super.init(loop: loop)
  }

  // MARK: the exchange

  /// Sends the request and waits for the answer: its head, and all of its body or the first 64 KiB of it.
  ///
  /// A caller that leaves ends a reading exchange; a write whose bytes left is followed to its end.
  func exchange(_ request: HTTPRequest, deadline: Instant) async -> Result<HTTPResponse, Failure> {
    let bound = LoopBound(self, on: loop)
    let loop = self.loop
    let number = exchanges + 1
    if Task.isCancelled {
      if state == .idle { pool.takeBack(self) }
      return .failure(Failure(kind: .cancelled, detail: "the caller left", requestLeft: false))
    }
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        start(request, deadline: deadline, continuation)
      }
    } onCancel: {
      loop.post { bound.value.callerLeft(exchange: number) }
    }
  }

  private func start(
    _ request: HTTPRequest, deadline: Instant,
    _ continuation: UnsafeContinuation<Result<HTTPResponse, Failure>, Never>
  ) {
    precondition(waiter == nil, "one exchange at a time")
    waiter = continuation
    let isKept = exchanges > 0
    exchanges += 1
    // What waits to be read on a kept connection is its end, or bytes that nobody asked for and that must not be taken for this
    // request's answer. A turn that began after its last exchange has seen to that, and the rest of this turn will, before the
    // request leaves; for a write, which can't be repeated, in the same turn, and where it leaves at once, the socket is asked.
    let hasRoom = loop.hasRoom
    let wasSeenQuiet = !isReadable && !(isKept && (request.isWrite || !hasRoom || idleSince == loop.turns))
    guard state == .idle, wasSeenQuiet || transport.isQuiet else { return hadEnded() }
    isReadable = false
    hasLeft = false
    isWrite = request.isWrite
    totalDeadline = deadline
    state = .sending
    reader = ResponseReader(maxHead: limits.maxResponseHead, maxBody: limits.maxResponseBody)
    answeredEarly = false
    self.deadline = deadline
    let begin = loop.outgoing.count
    pool.serializer.append(request, to: &loop.outgoing)
    if hasRoom {
      built = begin..<loop.outgoing.count
      loop.sendLater(self)
    } else {
      output = loop.outgoing.take(from: begin)
      send()
    }
  }

  override func sendNow() {
    guard state == .sending, !built.isEmpty else { return }
    let range = built
    built = 0..<0
    switch transport.write(loop.outgoing.bytes(range)) {
    case .bytes(range.count):
      hasLeft = true
      sent()
    case .bytes(let count):
      hasLeft = count > 0
      output = Array(loop.outgoing.bytes(range.dropFirst(count)))
    case .wouldBlock, .end: output = Array(loop.outgoing.bytes(range))
    case .failed(let code): broken("send: \(System.errorText(code))")
    }
  }

  /// Of no more use before a byte of the request left.
  private func hadEnded() {
    fail(Failure(kind: .unreachable, detail: "the pooled connection had ended", requestLeft: false))
  }

  /// The task that waits was cancelled.
  private func callerLeft(exchange: Int) {
    guard waiter != nil, exchange == exchanges, !(isWrite && hasLeft) else { return }
    fail(Failure(kind: .cancelled, detail: "the caller left", requestLeft: hasLeft))
  }

  private func send() {
    guard built.isEmpty else { return }
    while outputSent < output.count {
      let outcome = output.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[outputSent...])) }
      switch outcome {
      case .bytes(let count):
        outputSent += count
        hasLeft = true
      case .wouldBlock, .end: return
      case .failed(let code):
        // The upstream may have answered before it closed (RFC 9112 §9.5): what is there is read first.
        if hasLeft {
          isReadable = true
          receive()
          guard state == .sending else { return }
        }
        return broken("send: \(System.errorText(code))")
      }
    }
    output = []
    outputSent = 0
    sent()
  }

  /// All of the request has left.
  private func sent() {
    state = .awaitingHead
    deadline = min(totalDeadline, loop.now.advanced(byNanoseconds: pool.timeouts.firstByte))
    if isReadable { receive() }
  }

  override func handle(events: UInt32) {
    if events & (PG_EPOLLRDHUP | PG_EPOLLHUP | PG_EPOLLERR) != 0 { endComes = true }
    if state == .connecting {
      if events & (PG_EPOLLOUT | PG_EPOLLERR | PG_EPOLLHUP) != 0 { connected() }
      // An upstream that speaks or ends at once: looked at when the request has left.
      if events & (PG_EPOLLIN | PG_EPOLLRDHUP) != 0 { isReadable = true }
      return
    }
    if events & PG_EPOLLOUT != 0, state == .sending { send() }
    guard events & (PG_EPOLLIN | PG_EPOLLRDHUP | PG_EPOLLHUP | PG_EPOLLERR) != 0 else { return }
    switch state {
    // Bytes that nobody asked for, or the end: either way this connection is of no more use.
    case .idle: close()
    // It stood in this turn's events behind the one that brought the request: no answer to what has not left.
    case .sending where !hasLeft: hadEnded()
    case .sending, .awaitingHead, .receiving:
      isReadable = true
      receive()
    case .streaming: streamIsReadable()
    case .connecting, .closed: break
    }
  }

  private func receive() {
    while isReadable, state == .sending || state == .awaitingHead || state == .receiving {
      switch readNext() {
      case .bytes: break
      case .wouldBlock: isReadable = false
      case .end: return ended()
      case .failed(let code): return broken("receive: \(System.errorText(code))")
      }
    }
  }

  /// Reads once: a head, with a short body behind it, by way of the loop's buffer, and the payload of a longer one into its place.
  private func readNext() -> Transport.Outcome {
    let room = reader.room(upTo: UpstreamConnection.holdBack)
    if room > 0 {
      let (outcome, step) = readBody(room)
      if case .bytes = outcome { took(step) }
      return outcome
    }
    let space = reader.isHeadComplete ? EventLoop.upstreamScratchSize : UpstreamConnection.firstRead
    let outcome = transport.read(
      into: UnsafeMutableRawBufferPointer(start: loop.upstreamScratch.baseAddress, count: space))
    if case .bytes(let count) = outcome {
      hasRead(count, of: space)
      received(UnsafePointer(loop.upstreamScratch.baseAddress!), count)
    }
    return outcome
  }

  func readBody(_ room: Int) -> (Transport.Outcome, ResponseReader.Step) {
    var outcome = Transport.Outcome.wouldBlock
    let step = reader.readBody(room) { space in
      outcome = transport.read(into: space)
      guard case .bytes(let count) = outcome else { return nil }
      hasRead(count, of: room)
      return count
    }
    return (outcome, step)
  }

  /// A short read has emptied the socket, and the next edge says when there is more (epoll(7)), unless the end came with the bytes.
  func hasRead(_ count: Int, of space: Int) {
    if count < space, !endComes { isReadable = false }
  }

  /// Takes bytes while the answer is being held back.
  private func received(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    let step = reader.feed(bytes, count)
    if state != .receiving, reader.isHeadComplete {
      // One that answers before it has read the request is not asked again on this connection.
      answeredEarly = state == .sending
      state = .receiving
      deadline = totalDeadline
    }
    took(step)
  }

  func took(_ step: ResponseReader.Step) {
    switch step {
    case .needMore: if reader.body.count >= UpstreamConnection.holdBack { startStreaming() }
    case .complete:
      let response = reader.response(with: .bytes(reader.takeBody()))
      finish()
      answer(.success(response))
    case .failed(let detail): fail(cut(detail))
    }
  }

  func answer(_ result: Result<HTTPResponse, Failure>) {
    let waiting = waiter
    waiter = nil
    waiting?.resume(returning: result)
  }

  /// The exchange is over: back to the pool, or closed.
  func finish() {
    deadline = nil
    if reader.allowsReuse, state != .closed, !endComes, !answeredEarly {
      state = .idle
      idleSince = loop.turns
      pool.takeBack(self)
    } else {
      close()
    }
  }

  // MARK: ends

  override func deadlineReached() {
    switch state {
    case .connecting:
      fail(Failure(kind: .timeout, detail: "no connection within connect_timeout", requestLeft: false))
    case .sending:
      fail(Failure(kind: .timeout, detail: "the request was not taken in time", requestLeft: hasLeft))
    case .awaitingHead:
      fail(Failure(kind: .timeout, detail: "no answer in time", requestLeft: true))
    case .receiving, .streaming:
      fail(Failure(kind: .timeout, detail: "the answer did not end in time", requestLeft: true, answerBegan: true))
    case .idle: close()
    case .closed: break
    }
  }
}
