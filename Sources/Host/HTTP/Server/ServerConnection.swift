import AdapterAPI
import CLinux
import Glibc

/// One client's connection: reads requests, one exchange at a time, sends answers in order.
///
/// ```
/// idle → head → exchange (body → handler → answer) → idle …
///                                     any → lingering → closed
/// ```
/// An idle connection holds no buffer and no task. Touched by its loop's thread only.
final class ServerConnection: LoopObject {
  let server: ServerContext
  let tasks: ExchangeTasks
  let transport: Transport
  /// Bytes that came and belong to no request yet; empty while idle.
  var input: [UInt8] = []
  /// Bytes of an answer that the socket did not take at once; empty while idle.
  var output: [UInt8] = []
  var outputSent = 0
  /// Where an answer that leaves at the end of the turn stands in the loop's outgoing bytes (`.built`).
  var builtStart: UInt32 = 0
  var builtEnd: UInt32 = 0
  private var parser = RequestHeadParser()
  private(set) var exchange: Exchange?
  /// Received bytes behind the head of the request that is just being started.
  private var window: UnsafeBufferPointer<UInt8>?
  private var windowTaken = 0
  var flags: Flags = []
  /// What this connection's buffers count for in the server's memory budget.
  private var charged = 0

  struct Flags: OptionSet {
    let rawValue: UInt16
    /// The socket has, or may have, bytes that were not read.
    static let readable = Flags(rawValue: 1)
    /// The client has ended its sending side.
    static let peerFinished = Flags(rawValue: 2)
    /// After the answer under way the connection ends.
    static let closing = Flags(rawValue: 4)
    /// Our sending side has ended; what still comes is thrown away.
    static let lingering = Flags(rawValue: 8)
    static let closed = Flags(rawValue: 16)
    /// `consume` is on the stack: it goes on with the next request itself.
    static let consuming = Flags(rawValue: 32)
    /// The deadline is that of the head, which does not move with each byte.
    static let headTimer = Flags(rawValue: 64)
    /// The client's end stands behind the bytes that can be read: no further edge will tell.
    static let endComes = Flags(rawValue: 128)
    /// A later turn of the loop will go on reading.
    static let readsLater = Flags(rawValue: 256)
    /// A later turn of the loop will go on writing.
    static let writesLater = Flags(rawValue: 512)
    /// An answer leaves at the end of the turn.
    static let built = Flags(rawValue: 1024)
    /// `output` is a body that others hold too, and counts elsewhere.
    static let sharedOutput = Flags(rawValue: 2048)
  }

  /// How long to wait for the client to end its side, so that a reset does not eat the answer it has not read (RFC 9112 §9.6).
  static let linger = Duration.seconds(2)
  /// Full buffers read in one turn, so that one client that sends without a pause does not keep the loop from the others.
  private static let readsPerTurn = 4
  /// After so many bytes written in one turn the others come first: a client may take a long answer as fast as we write it.
  static let bytesPerTurn = 1 << 20

  init(fd: Int32, server: ServerContext, tasks: ExchangeTasks) {
    transport = Transport(fd: fd)
    self.server = server
    self.tasks = tasks
    super.init(loop: server.loop)
  }

  func start() {
    loop.add(self, fd: transport.fd)
    deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.idle)
  }

  /// The client's numeric address.
  var remote: String { SocketAddress(of: transport.fd, getpeername)?.description ?? "" }

  /// Brings the budget up to date with the buffers.
  func account() {
    let held = input.count + (flags.contains(.sharedOutput) ? 0 : output.count)
    if held != charged {
      server.memory.add(held - charged)
      charged = held
    }
  }

  // MARK: events

  override func handle(events: UInt32) {
    defer { account() }
    if events & (PG_EPOLLERR | PG_EPOLLHUP) != 0, !flags.contains(.lingering) {
      // Reset, or both sides ended. An answer on its way has no reader; a half-close alone comes as EPOLLRDHUP.
      if events & PG_EPOLLERR != 0 || exchange != nil { return abort() }
    }
    if events & PG_EPOLLOUT != 0 {
      if !output.isEmpty { flush() } else { exchange?.relay?.clientIsWritable() }
    }
    if events & (PG_EPOLLIN | PG_EPOLLRDHUP | PG_EPOLLHUP) != 0, !flags.contains(.closed) {
      flags.insert(.readable)
      if events & (PG_EPOLLRDHUP | PG_EPOLLHUP) != 0 { flags.insert(.endComes) }
      receive()
    }
  }

  /// The end of a turn in which an answer was built.
  override func sendNow() { if flags.contains(.built) { sendBuilt() } }

  override func deadlineReached() {
    if flags.contains(.lingering) { return close() }
    if !output.isEmpty || exchange?.relay?.waitsForClient == true { return abort() }
    if let exchange {
      if exchange.isWaitingForBody { exchange.resumeBody(.bodyTimeout) }
      return
    }
    if input.isEmpty { return endSending() }
    refuse(.headTimeout)
  }

  /// Reads while somebody wants to have bytes.
  func receive() {
    var reads = 0
    while flags.contains(.readable), wantsInput {
      guard reads < ServerConnection.readsPerTurn else { return receiveLater() }
      reads += 1
      switch transport.read(into: UnsafeMutableRawBufferPointer(loop.scratch)) {
      case .bytes(let count):
        // A short read has emptied the socket, and the next edge says when there is more (epoll(7)), unless the end came with
        // the bytes.
        if count < EventLoop.scratchSize, !flags.contains(.endComes) { flags.remove(.readable) }
        received(UnsafePointer(loop.scratch.baseAddress!), count)
      case .wouldBlock: flags.remove(.readable)
      case .end: return ended()
      case .failed: return abort()
      }
    }
  }

  private func receiveLater() {
    guard flags.insert(.readsLater).inserted else { return }
    let bound = LoopBound(self, on: loop)
    loop.post {
      bound.value.flags.remove(.readsLater)
      bound.value.receive()
    }
  }

  private var wantsInput: Bool {
    if flags.contains(.closed) { return false }
    if flags.contains(.lingering) { return true }
    if let exchange { return exchange.isWaitingForBody }
    return isFlushed && !flags.contains(.closing)
  }

  private func received(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    if flags.contains(.lingering) { return }
    if let exchange {
      deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.body)
      let used = exchange.feedBody(bytes, count)
      if !exchange.isWaitingForBody { deadline = nil }
      if used < count { input.append(contentsOf: UnsafeBufferPointer(start: bytes + used, count: count - used)) }
      return
    }
    if input.isEmpty {
      let used = consume(bytes, count)
      if used < count, !flags.contains(.closed), !flags.contains(.lingering) {
        input.append(contentsOf: UnsafeBufferPointer(start: bytes + used, count: count - used))
      }
    } else {
      input.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
      consumeInput()
    }
    settle()
  }

  /// Goes through `input`, and keeps what is left.
  private func consumeInput() {
    let held = input
    input = []
    let used = held.withUnsafeBufferPointer { consume($0.baseAddress!, $0.count) }
    guard !flags.contains(.closed), !flags.contains(.lingering) else { return }
    input = used == 0 ? held : Array(held[used...])
  }

  /// Starts the requests that are in these bytes, one after another, as long as each is answered at once; how many bytes were used.
  private func consume(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    flags.insert(.consuming)
    defer { flags.remove(.consuming) }
    var offset = 0
    while offset < count, exchange == nil, isFlushed, flags.isDisjoint(with: [.closing, .lingering, .closed]) {
      var head = RequestHead()
      switch parser.parse(bytes + offset, count: count - offset, limits: server.options.limits, into: &head) {
      case .needMore: return offset
      case .failed(let fault):
        refuse(fault)
        return count
      case .complete:
        parser.reset()
        flags.remove(.headTimer)
        deadline = nil
        let exchange = Exchange(connection: self, head: head, base: bytes + offset)
        self.exchange = exchange
        offset += head.headLength
        window = UnsafeBufferPointer(start: bytes + offset, count: count - offset)
        windowTaken = 0
        tasks.start(exchange)
        exchange.headEnds()
        offset += windowTaken
        window = nil
      }
    }
    return offset
  }

  /// Sets the deadline that fits what the connection waits for now.
  private func settle() {
    guard exchange == nil, isFlushed, flags.isDisjoint(with: [.lingering, .closed]) else { return }
    if flags.contains(.closing) { return endSending() }
    if input.isEmpty {
      deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.idle)
    } else if !flags.contains(.headTimer) {
      flags.insert(.headTimer)
      deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.header)
    }
  }

  /// The client has ended its side.
  private func ended() {
    flags.remove(.readable)
    flags.insert(.peerFinished)
    if flags.contains(.lingering) { return close() }
    guard let exchange else { return close() }
    if exchange.isWaitingForBody { exchange.resumeBody(.bodyCutOff) }
  }

  // MARK: the exchange's side

  /// Gives the body what came behind the head.
  func takeBody() {
    guard let exchange else { return }
    if let window {
      let rest = UnsafeBufferPointer(rebasing: window[windowTaken...])
      if let base = rest.baseAddress { windowTaken += exchange.feedBody(base, rest.count) }
    } else if !input.isEmpty {
      let held = input
      input = []
      let used = held.withUnsafeBufferPointer { exchange.feedBody($0.baseAddress!, $0.count) }
      input = used == 0 ? held : Array(held[used...])
    }
  }

  /// The handler waits for the rest of the body.
  func waitForBody() {
    deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.body)
    if flags.contains(.peerFinished) {
      exchange?.resumeBody(.bodyCutOff)
    } else if flags.contains(.readable), !flags.contains(.consuming) {
      receive()
    }
  }

  func sendContinue() { send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }

  func mustClose() { flags.insert(.closing) }

  func willClose(after exchange: Exchange) -> Bool {
    if !exchange.head.keepAlive || server.isDraining || flags.contains(.peerFinished) { flags.insert(.closing) }
    return flags.contains(.closing)
  }

  /// The handler has returned: the answer is sent or on its way.
  func exchangeEnded(_ ended: Exchange) {
    guard exchange === ended else { return }
    defer { account() }
    exchange = nil
    if flags.contains(.closed) { return server.connections.abandonedEnded() }
    if ended.status == 0 { return abort() }
    if !flags.contains(.consuming), isFlushed { proceed() }
  }

  /// Goes on after an answer: the next request, or the end.
  func proceed() {
    flags.remove(.headTimer)
    if flags.contains(.closing) { return endSending() }
    if !input.isEmpty { consumeInput() }
    settle()
    if flags.contains(.readable) { receive() }
    // Told to drain while the answer was on its way.
    if server.isDraining { drain() }
  }
}
