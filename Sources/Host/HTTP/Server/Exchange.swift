import AdapterAPI

/// One request and its answer, as the pipeline sees them. Touched by its loop's thread only.
///
/// Until the handler waits for the first time, the request's head can be looked at (`bytes`); what it needs later it copies
/// before.
final class Exchange {
  let connection: ServerConnection
  let head: RequestHead
  let began: Instant
  /// The head's first byte while it may be looked at.
  private(set) var headBase: UnsafePointer<UInt8>?
  /// Serves it.
  var task: ExchangeTask?
  /// Called when the client has gone, instead of cancelling the task: others may need what it does.
  var onGone: (() -> Void)?
  /// The client has gone; nobody reads an answer.
  private(set) var isGone = false
  /// The answer's status, and its body's bytes as far as they were handed over; 0 while there is none.
  private(set) var status = 0
  private(set) var bytesSent = 0
  private var isAnswered = false
  private var isChunked = false
  /// Its body counts in the server's memory elsewhere.
  private var isBodyShared = false
  /// What the body counts for in the server's memory budget.
  private var charged = 0

  // The body on its way in.
  private var bodyReader: BodyReader
  private var bodyWaiter: UnsafeContinuation<HTTPFault?, Never>?
  private var flushWaiter: UnsafeContinuation<Bool, Never>?
  /// Moves the body's rest without this exchange's help.
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

  /// Bytes of the head. Only before the first wait.
  func bytes(_ range: ByteRange) -> UnsafeBufferPointer<UInt8> {
    guard let headBase else { preconditionFailure("the request's head is no longer there") }
    return UnsafeBufferPointer(start: headBase + Int(range.start), count: Int(range.count))
  }

  private func headEnds() { headBase = nil }

  // MARK: request body

  /// The whole body, if it is here already, as it is with most requests: nobody has to wait for it then.
  func bodyAtHand(limit: Int) throws(HTTPFault) -> [UInt8]? {
    bodyReader.limit = limit
    if bodyReader.isTooLong { throw HTTPFault(.bodyTooLarge, "the body is longer than the limit") }
    if head.hasBody, connection.server.memory.isExceeded(by: max(0, head.contentLength)) {
      throw HTTPFault(.overloaded, "the gateway's memory for requests is used up; try again shortly")
    }
    connection.takeBody()
    if let fault = bodyReader.fault { throw fault }
    return bodyReader.isComplete ? bodyReader.take() : nil
  }

  /// The whole body. Says `100 Continue` first where the client waits for it (RFC 9110 §10.1.1).
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
    if !bodyReader.isComplete { throw HTTPFault(.badRequest, "the body was cut off") }
    return bodyReader.take()
  }

  // MARK: answer

  /// The lines that the gateway adds to an answer: which request it belongs to, and where it came from.
  struct Marks {
    var requestID = ""
    /// `X-Gateway-Source`.
    var source = ""
    /// `Age` in seconds (RFC 9111 §5.1), of an answer that was kept.
    var age: Int?
  }

  /// Sends a whole answer. Framing, `Date` where there is none, and `Connection` are added here.
  func respond(_ status: Int, fields: Fields, marks: Marks = Marks(), body: [UInt8]) {
    guard begin(status) else { return }
    bytesSent = body.count
    let start = loop.outgoing.count
    appendHead(status, fields, marks)
    if status != 204, status != 304 {
      loop.outgoing.append("Content-Length: ")
      loop.outgoing.append(decimal: body.count)
      loop.outgoing.append("\r\n")
    }
    loop.outgoing.append("\r\n")
    let hasNoBody = head.method == .head || status == 204 || status == 304
    connection.sendBuilt(from: start, followedBy: hasNoBody ? [] : body)
  }

  /// What a connection holds of an answer up to this size counts for itself, whoever else holds it.
  static let shortBody = 64 << 10

  /// Sends a whole long answer that others hold too; returns when the client's socket has taken it, or the client has gone.
  ///
  /// - Parameter charge: what it counts for, once, however many clients take their time.
  func respondShared(
    _ status: Int, fields: Fields, marks: Marks, body: [UInt8], charge: MemoryCharge?
  ) async {
    defer { withExtendedLifetime(charge) {} }
    isBodyShared = true
    await respondStreaming(status, fields: fields, marks: marks, length: body.count, first: body)
  }

  /// Starts an answer whose body follows piece by piece, with its first piece; `length` nil when only its end will tell. False
  /// when the client has gone.
  @discardableResult
  func respondStreaming(
    _ status: Int, fields: Fields, marks: Marks, length: Int?, first: [UInt8] = []
  ) async -> Bool {
    guard begin(status) else { return false }
    let start = loop.outgoing.count
    if length == nil {
      // HTTP/1.0 knows no chunks: the end of the connection is the end of the body (RFC 9112 §6.3).
      isChunked = head.minorVersion >= 1
      if !isChunked { connection.mustClose() }
    }
    appendHead(status, fields, marks)
    if let length {
      loop.outgoing.append("Content-Length: ")
      loop.outgoing.append(decimal: length)
      loop.outgoing.append("\r\n")
    } else if isChunked {
      loop.outgoing.append("Transfer-Encoding: chunked\r\n")
    }
    loop.outgoing.append("\r\n")
    return await send(loop.outgoing.take(from: start), first)
  }

  /// Sends one piece; returns when the client's socket has taken it, false when the client has gone.
  func send(_ piece: [UInt8]) async -> Bool {
    guard !isGone else { return false }
    return await send([], piece)
  }

  private func send(_ head: [UInt8], _ piece: [UInt8]) async -> Bool {
    if piece.isEmpty || self.head.method == .head {
      connection.send(head)
    } else if isChunked {
      bytesSent += piece.count
      connection.send(head + Array("\(String(piece.count, radix: 16))\r\n".utf8), piece, [13, 10])
    } else {
      bytesSent += piece.count
      connection.send(head, piece, isShared: isBodyShared)
    }
    if isGone { return false }
    if connection.isFlushed { return true }
    return await withUnsafeContinuation { flushWaiter = $0 }
  }

  /// Sends the rest of a streamed answer, and its end; false when the client has gone. Throws where the answer broke off.
  func sendRest(of stream: any BodyStream) async throws(AdapterError) -> Bool {
    if let stream = stream as? any RelayedStream {
      switch await stream.relay(to: self) {
      case .whole: return true
      case .clientGone: return false
      case .failed(let failure): throw AdapterError(failure)
      case .unfinished: break
      }
    }
    // Others come first after so many bytes: neither side may ever make the other wait.
    var left = ServerConnection.bytesPerTurn
    while let piece = try await stream.next() {
      guard await send(piece) else { return false }
      left -= piece.count
      if left <= 0 {
        await Task.yield()
        left = ServerConnection.bytesPerTurn
      }
    }
    endStream()
    return true
  }

  /// The body's bytes go out as they come in: no chunks around them, and not dropped.
  var takesBytesUnseen: Bool { !isChunked && head.method != .head && !isGone && connection.isFlushed }

  /// The relay has moved so many bytes to the client.
  func relayed(_ count: Int) { bytesSent += count }

  /// Ends a streamed answer as it should end.
  func endStream() {
    if isChunked, head.method != .head { connection.send(Array("0\r\n\r\n".utf8)) }
  }

  /// Ends a streamed answer that broke off: the client must not take it for whole.
  func breakStream() { connection.abort() }

  private func begin(_ status: Int) -> Bool {
    self.status = status
    guard !isAnswered, !isGone else { return false }
    isAnswered = true
    // A body that nobody has read can't be told from the next request.
    if !bodyReader.isComplete { connection.mustClose() }
    return true
  }

  private func appendHead(_ status: Int, _ fields: Fields, _ marks: Marks) {
    let loop = loop
    StatusLine.append(status, to: &loop.outgoing)
    loop.outgoing.append(contentsOf: fields.bytes)
    if !marks.requestID.isEmpty {
      loop.outgoing.append("X-Request-Id: ")
      loop.outgoing.append(text: marks.requestID)
      loop.outgoing.append("\r\n")
    }
    if !marks.source.isEmpty {
      loop.outgoing.append("X-Gateway-Source: ")
      loop.outgoing.append(text: marks.source)
      loop.outgoing.append("\r\n")
    }
    if let age = marks.age {
      loop.outgoing.append("Age: ")
      loop.outgoing.append(decimal: age)
      loop.outgoing.append("\r\n")
    }
    if !fields.hasDate { connection.server.appendDate(to: &loop.outgoing) }
    if connection.willClose(after: self) {
      loop.outgoing.append("Connection: close\r\n")
    } else if head.minorVersion == 0 {
      loop.outgoing.append("Connection: keep-alive\r\n")
    }
  }

  // MARK: the connection's side

  /// Runs the handler: at once up to its first wait, then as a task on the loop.
  func start() {
    connection.server.tasks.start(self)
    headEnds()
  }

  /// The client has gone.
  func clientGone() {
    guard !isGone else { return }
    isGone = true
    resumeBody(HTTPFault(.badRequest, "the client went away"))
    resumeFlush(false)
    relay?.clientGone()
    if let onGone { onGone() } else { task?.cancel() }
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

  /// Gives received bytes to the body; how many it took.
  func feedBody(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    let used = bodyReader.feed(bytes, count)
    let memory = connection.server.memory
    memory.add(bodyReader.count - charged)
    charged = bodyReader.count
    if memory.isExceeded(by: 0) {
      bodyReader.refuse(HTTPFault(.overloaded, "the gateway's memory for requests is used up; try again shortly"))
    }
    if bodyReader.isComplete || bodyReader.fault != nil { resumeBody(bodyReader.fault) }
    return used
  }
}
