import AdapterAPI

/// One request and its response, as the handler sees them. On the loop's thread.
///
/// The bytes of the request's head can be read (`bytes`) up to the handler's first `await`; copy what is needed later.
final class Exchange {
  let connection: ServerConnection
  let head: RequestHead
  /// The time at which the head was complete.
  let began: Instant
  /// The head's first byte; nil after the handler's first `await`.
  private var headBase: UnsafePointer<UInt8>?
  /// The task that serves it.
  var task: ExchangeTask?
  /// Called when the client leaves, instead of cancelling the task: other callers may need the call's result.
  var onGone: (() -> Void)?
  /// The client has left; a response would have no reader.
  private(set) var isGone = false
  /// The server waits no longer for the handler, because `drain_timeout` is over.
  private(set) var isCut = false
  /// The connection has ended the exchange while the handler still waits.
  private(set) var isDetached = false
  /// The handler's record of the request, for `ExchangeHandler.responseToCut`.
  var record: AnyObject?
  /// The response's status; 0 while there is none, and when the client left before.
  private(set) var status = 0
  /// The bytes of the response's body that were handed to the connection.
  private(set) var bytesSent = 0
  private var hasResponded = false
  private var isChunked = false
  /// The response's `MemoryCharge` counts its body, so the connection doesn't.
  private var isBodyShared = false
  /// The bytes that the request's body counts for in the server's memory budget.
  private var charged = 0

  private var bodyReader: BodyReader
  private var bodyWaiter: UnsafeContinuation<HTTPFault?, Never>?
  private var flushWaiter: UnsafeContinuation<Bool, Never>?
  /// Moves the rest of the response's body from an upstream's socket to the client's.
  var relay: Relay?

  init(connection: ServerConnection, head: RequestHead, base: UnsafePointer<UInt8>) {
    self.connection = connection
    self.head = head
    headBase = base
    began = connection.loop.now
    bodyReader = BodyReader(head)
  }

  deinit { connection.server.memory.add(-charged) }

  var loop: EventLoop { connection.loop }

  /// The client's numeric address.
  var remote: String { connection.remote }

  /// Bytes of the head. Only before the handler's first `await`.
  func bytes(_ range: ByteRange) -> UnsafeBufferPointer<UInt8> {
    guard let headBase else { preconditionFailure("the request's head is no longer in memory") }
    return UnsafeBufferPointer(start: headBase + Int(range.start), count: Int(range.count))
  }

  /// The head's bytes are about to be reused.
  func headEnds() { headBase = nil }

  // MARK: request body

  /// Returns the whole body if it has arrived already, as most bodies have; nil when `body(limit:)` has to wait for it.
  ///
  /// - Parameter limit: In bytes.
  /// - Throws: `.bodyTooLarge`, `.overloaded`, or the fault of a chunked body.
  func bodyAtHand(limit: Int) throws(HTTPFault) -> [UInt8]? {
    bodyReader.limit = limit
    if bodyReader.isTooLong { throw .bodyTooLong }
    if head.hasBody, connection.server.memory.isExceeded(by: max(0, head.contentLength)) { throw .memoryUsedUp }
    connection.takeBody()
    if let fault = bodyReader.fault { throw fault }
    return bodyReader.isComplete ? bodyReader.take() : nil
  }

  /// Returns the whole body. Sends `100 Continue` first if the client waits for it (RFC 9110 §10.1.1).
  ///
  /// - Parameter limit: In bytes.
  /// - Throws: What `bodyAtHand` throws; `.requestTimeout`; `.badRequest` when the connection ends first.
  func body(limit: Int) async throws(HTTPFault) -> [UInt8] {
    if let body = try bodyAtHand(limit: limit) { return body }
    if head.expectsContinue, !bodyReader.hasBegun { connection.sendContinue() }
    if !isGone {
      let fault = await withUnsafeContinuation {
        bodyWaiter = $0
        connection.waitForBody()
      }
      if let fault { throw fault }
    }
    if let fault = bodyReader.fault { throw fault }
    if !bodyReader.isComplete { throw .bodyCutOff }
    return bodyReader.take()
  }

  // MARK: response

  /// A shared body up to this size is sent like the response's own: each connection that stores a part of it counts that part.
  private static let shortBody = 64 << 10

  /// Sends the response. Returns when a stream or a long shared body has been taken by the client's socket or the client has left;
  /// any other response is handed to the connection at once.
  ///
  /// Only the first response of an exchange is sent. Inlined: nearly every response is sent at once, without an async frame.
  /// - Throws: The error of a stream that broke off. The connection was reset, so that the client notices.
  @inline(__always)
  func respond(_ response: borrowing Response) async throws(AdapterError) {
    if !respondAtOnce(response) { try await respondPaced(response) }
  }

  /// Sends a response that need not wait for the client. Returns false, and does nothing, for a stream or a long shared body.
  @discardableResult
  func respondAtOnce(_ response: borrowing Response) -> Bool {
    guard case .bytes(let body) = response.body, response.charge == nil || body.count <= Exchange.shortBody else {
      return false
    }
    guard begin(response.status) else { return true }
    let start = loop.outgoing.count
    let hasLength = response.status != 204 && response.status != 304
    let hasBody = hasLength && head.method != .head
    bytesSent = hasBody ? body.count : 0
    appendHead(response, length: hasLength ? body.count : nil)
    connection.sendBuilt(from: start, followedBy: hasBody ? body : [])
    return true
  }

  /// Sends a stream or a long shared body, no faster than the client reads.
  @inline(never)
  private func respondPaced(_ response: borrowing Response) async throws(AdapterError) {
    defer { withExtendedLifetime(response.charge) {} }
    switch response.body {
    case .bytes(let body):
      isBodyShared = true
      _ = await start(response, length: body.count, first: body)
    case .stream(let prefix, let rest):
      let length = rest.remaining.map { $0 + prefix.count }
      do throws(AdapterError) {
        guard await start(response, length: length, first: prefix), try await sendRest(of: rest) else {
          return rest.cancel()
        }
      } catch {
        connection.abort()
        throw error
      }
    }
  }

  /// Sends the head with the first piece of the body; false when the client has left.
  ///
  /// - Parameter length: The body's length in bytes; nil when only its end will tell.
  private func start(_ response: borrowing Response, length: Int?, first: [UInt8]) async -> Bool {
    guard begin(response.status) else { return false }
    let start = loop.outgoing.count
    if length == nil {
      // HTTP/1.0 has no chunks: the end of the connection is the end of the body (RFC 9112 §6.3).
      isChunked = head.minorVersion >= 1
      if !isChunked { connection.state.mustClose() }
    }
    appendHead(response, length: length)
    return await send(loop.outgoing.take(from: start), first)
  }

  /// Sends the rest of a streamed body and its end; false when the client has left.
  private func sendRest(of stream: any BodyStream) async throws(AdapterError) -> Bool {
    if let stream = stream as? UpstreamBodyStream {
      switch await stream.relay(to: self) {
      case .whole: return true
      case .clientGone: return false
      case .failed(let failure): throw AdapterError(failure)
      case .unfinished: break
      }
    }
    // Yields after so many bytes: where neither side ever waits for the other, this task would keep the loop.
    var left = ServerConnection.bytesPerTurn
    while let piece = try await stream.next() {
      guard !isGone, await send([], piece) else { return false }
      left -= piece.count
      if left <= 0 {
        await Task.yield()
        left = ServerConnection.bytesPerTurn
      }
    }
    if isChunked, head.method != .head { connection.send(Array("0\r\n\r\n".utf8)) }
    return true
  }

  /// Sends the bytes and one piece of the body. Returns when the client's socket has taken them; false when the client has left.
  private func send(_ head: [UInt8], _ piece: [UInt8]) async -> Bool {
    if piece.isEmpty || self.head.method == .head {
      connection.send(head)
    } else if isChunked {
      bytesSent += piece.count
      connection.send(head + Array("\(String(piece.count, radix: 16))\r\n".utf8), piece, [0x0D, 0x0A])
    } else {
      bytesSent += piece.count
      connection.send(head, piece, isShared: isBodyShared)
    }
    if isGone { return false }
    if connection.isFlushed { return true }
    return await withUnsafeContinuation { flushWaiter = $0 }
  }

  /// Accepts the first response of the exchange, if the client is still there.
  private func begin(_ status: Int) -> Bool {
    guard !hasResponded, !isGone else { return false }
    hasResponded = true
    self.status = status
    skipBody()
    return true
  }

  /// Drops the body of a refused request, as far as it has arrived. If a part is still to come the connection ends: the part can't
  /// be told from the next request.
  @inline(never)
  private func skipBody() {
    if bodyReader.isComplete { return }
    bodyReader.skip()
    connection.takeBody()
    if !bodyReader.isComplete { connection.state.mustClose() }
  }

  /// Appends the whole head to the loop's outgoing bytes.
  private func appendHead(_ response: borrowing Response, length: Int?) {
    let loop = loop
    connection.server.appendHead(of: response)
    if connection.willClose(after: self) {
      loop.outgoing.append("Connection: close\r\n")
    } else if head.minorVersion == 0 {
      loop.outgoing.append("Connection: keep-alive\r\n")
    }
    if let length {
      loop.outgoing.append("Content-Length: ")
      loop.outgoing.append(decimal: length)
      loop.outgoing.append("\r\n")
    } else if isChunked {
      loop.outgoing.append("Transfer-Encoding: chunked\r\n")
    }
    loop.outgoing.append("\r\n")
  }

  // MARK: relay

  /// A relay may move the body's bytes as they are: no chunks around them, not dropped, nothing stored before them.
  var takesBytesUnseen: Bool { !isChunked && head.method != .head && !isGone && connection.isFlushed }

  /// Counts bytes that the relay has moved to the client.
  func relayed(_ count: Int) { bytesSent += count }

  // MARK: the connection's side

  /// The client has left: resumes every wait, and cancels the handler unless `onGone` decides otherwise.
  func clientGone() {
    guard !isGone else { return }
    isGone = true
    resumeBody(.clientLeft)
    resumeFlush(false)
    relay?.clientGone()
    if let onGone { onGone() } else { task?.cancel() }
  }

  /// A response has begun. What a client has of it can't be replaced.
  var hasBegunToRespond: Bool { hasResponded }

  /// `drain_timeout` is over: makes the handler respond with what it has, which is an error in most cases. Does nothing where a
  /// response has begun.
  func cut() {
    guard !hasResponded, !isCut else { return }
    isCut = true
    resumeBody(.drainTimeout)
    task?.cancel()
  }

  /// Responds for a handler that still waits after `cut`, and ends the exchange on the connection's side. The handler's own
  /// response is dropped.
  func detach(_ response: borrowing Response) {
    guard isCut, !hasResponded, !isGone else { return }
    respondAtOnce(response)
    isDetached = true
    connection.exchangeDetached(self)
  }

  func resumeBody(_ fault: HTTPFault?) {
    let waiting = bodyWaiter
    bodyWaiter = nil
    waiting?.resume(returning: fault)
  }

  func resumeFlush(_ flushed: Bool) {
    let waiting = flushWaiter
    flushWaiter = nil
    waiting?.resume(returning: flushed)
  }

  var isWaitingForBody: Bool { bodyWaiter != nil }

  /// Gives received bytes to the body; returns the number of bytes that belong to it.
  func feedBody(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    let used = bodyReader.feed(bytes, count)
    let memory = connection.server.memory
    memory.add(bodyReader.count - charged)
    charged = bodyReader.count
    if memory.isExceeded(by: 0) { bodyReader.refuse(.memoryUsedUp) }
    if bodyReader.isComplete || bodyReader.fault != nil { resumeBody(bodyReader.fault) }
    return used
  }
}
