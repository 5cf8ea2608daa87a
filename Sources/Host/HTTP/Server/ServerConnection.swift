import AdapterAPI
import CLinux
import Glibc

/// One client's connection: reads requests, serves one exchange at a time, sends responses in order. On the loop's thread.
///
/// `ServerConnectionState` decides; this class owns the socket, the buffers and the timers. An idle connection holds no buffer and
/// no task.
final class ServerConnection: LoopObject {
  /// Starts exchanges. No exchange can reach its handler through it.
  private let tasks: ExchangeTasks
  let transport: Transport
  var state = ServerConnectionState()
  /// Stands beside other small properties: with eight bytes more an idle connection takes the next larger block of memory.
  var flags: Flags = []
  /// Received bytes that belong to no request yet; empty while idle.
  private(set) var input: [UInt8] = []
  /// Bytes of a response that the socket did not take at once; empty while idle.
  var output: [UInt8] = []
  var outputSent = 0
  /// The range in the loop's outgoing bytes of a response that leaves at the end of the turn (`.built`).
  var builtStart: UInt32 = 0
  var builtEnd: UInt32 = 0
  private var parser = RequestHeadParser()
  private(set) var exchange: Exchange?
  /// Received bytes behind the head of the request that is being started.
  private var window: UnsafeBufferPointer<UInt8>?
  private var windowTaken: UInt32 = 0
  /// The bytes that this connection's buffers count for in the server's memory budget.
  private var charged = 0

  struct Flags: OptionSet {
    let rawValue: UInt8
    /// `consume` is on the stack: it starts the next request itself.
    static let consuming = Flags(rawValue: 1)
    /// A later turn of the loop continues reading.
    static let readsLater = Flags(rawValue: 2)
    /// A later turn of the loop continues writing.
    static let writesLater = Flags(rawValue: 4)
    /// A response leaves at the end of the turn.
    static let built = Flags(rawValue: 8)
    /// `output` is a shared body, which its `MemoryCharge` counts.
    static let sharedOutput = Flags(rawValue: 16)
  }

  /// The time for the client to end its side, so that a reset does not destroy a response that it has not read (RFC 9112 §9.6).
  private static let linger = Duration.seconds(2)
  /// The number of full buffers read in one turn, so that a client that sends without a pause leaves time for other connections.
  private static let readsPerTurn = 4
  /// The number of bytes written in one turn, for the same reason: a client may read a long response as fast as we write it.
  static let bytesPerTurn = 1 << 20

  init(fd: Int32, tasks: ExchangeTasks) {
    transport = Transport(fd: fd)
    self.tasks = tasks
    super.init(loop: tasks.server.loop)
  }

  /// The server's limits, counters and state.
  var server: ServerContext { tasks.server }

  /// Registers the connection with its loop. Closes it where the kernel refuses that.
  func start() {
    if let code = loop.add(self, fd: transport.fd) {
      server.report("epoll_ctl: \(System.errorText(code))")
      return abort()
    }
    deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.idle)
  }

  /// The client's numeric address.
  var remote: String { SocketAddress(of: transport.fd, getpeername)?.description ?? "" }

  /// Updates the memory budget with the sizes of the buffers.
  func account() {
    let size = input.count + (flags.contains(.sharedOutput) ? 0 : output.count)
    if size != charged {
      server.memory.add(size - charged)
      charged = size
    }
  }

  private var waitsForBody: Bool { exchange?.isWaitingForBody == true }

  // MARK: events

  override func handle(events: UInt32) {
    defer { account() }
    if events & (PG_EPOLLERR | PG_EPOLLHUP) != 0 { perform(state.hungUp(isError: events & PG_EPOLLERR != 0)) }
    guard state.phase != .closed else { return }
    if events & PG_EPOLLOUT != 0 {
      if !output.isEmpty { flush() } else { exchange?.relay?.clientIsWritable() }
    }
    if events & (PG_EPOLLIN | PG_EPOLLRDHUP | PG_EPOLLHUP) != 0 {
      state.readable(isEnding: events & (PG_EPOLLRDHUP | PG_EPOLLHUP) != 0)
      receive()
    }
  }

  override func sendNow() { if flags.contains(.built) { sendBuilt() } }

  override func deadlineReached() {
    let waitsForClient = !output.isEmpty || exchange?.relay?.waitsForClient == true
    perform(state.expired(waitsForClient: waitsForClient, waitsForBody: waitsForBody))
  }

  @inline(__always)
  func perform(_ action: ServerConnectionState.Action) { if action != .wait { act(action) } }

  private func act(_ action: ServerConnectionState.Action) {
    switch action {
    case .wait: break
    case .read: if !flags.contains(.consuming) { receive() }
    case .next: if !flags.contains(.consuming) { proceed() }
    case .resumeHandler: exchange?.resumeFlush(true)
    case .awaitRequest: deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.idle)
    case .awaitHead: deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.header)
    case .endSending:
      input = []
      transport.finishWriting()
      deadline = loop.now + ServerConnection.linger
      if state.isReadable, !flags.contains(.consuming) { receive() }
    case .close:
      transport.close()
      closed()
    case .reset:
      transport.abort()
      closed()
    case .headTimedOut: refuse(input.withUnsafeBufferPointer { RefusedRequest(.headTimeout, $0, remote: remote) })
    case .bodyTimedOut: exchange?.resumeBody(.bodyTimeout)
    case .bodyCutOff: exchange?.resumeBody(.bodyCutOff)
    }
  }

  // MARK: input

  /// Reads while the bytes have a use.
  private func receive() {
    var reads = 0
    while state.isReadable, state.wantsInput(waitsForBody: waitsForBody) {
      guard reads < ServerConnection.readsPerTurn else { return receiveLater() }
      reads += 1
      switch server.traffic.counted(transport.read(into: UnsafeMutableRawBufferPointer(loop.scratch))) {
      case .bytes(let count, let isDrained):
        state.read(isDrained: isDrained)
        received(UnsafePointer(loop.scratch.baseAddress!), count)
      case .wouldBlock: state.readWouldBlock()
      case .end: return perform(state.clientEnded(waitsForBody: waitsForBody))
      case .failed: return perform(state.failed())
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

  private func received(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    if state.phase == .lingering { return }
    if let exchange {
      deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.body)
      let used = exchange.feedBody(bytes, count)
      if !exchange.isWaitingForBody { deadline = nil }
      if used < count { input.append(contentsOf: UnsafeBufferPointer(start: bytes + used, count: count - used)) }
      return
    }
    if input.isEmpty {
      let used = consume(bytes, count)
      if used < count, state.canSend {
        input.append(contentsOf: UnsafeBufferPointer(start: bytes + used, count: count - used))
      }
    } else {
      input.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
      consumeInput()
    }
    perform(state.settled(hasInput: !input.isEmpty))
  }

  /// Starts the requests in `input`, and stores the rest.
  private func consumeInput() {
    let bytes = input
    input = []
    let used = bytes.withUnsafeBufferPointer { consume($0.baseAddress!, $0.count) }
    if state.canSend { input = used == 0 ? bytes : Array(bytes[used...]) }
  }

  /// Starts the requests in these bytes, one after another, as long as each response has left. Returns the number of bytes used.
  private func consume(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    flags.insert(.consuming)
    defer { flags.remove(.consuming) }
    var offset = 0
    while offset < count, state.canStart {
      var head = RequestHead()
      switch parser.parse(bytes + offset, count: count - offset, limits: server.options.limits, into: &head) {
      case .needMore: return offset
      case .failed(let fault):
        let rest = UnsafeBufferPointer(start: bytes + offset, count: count - offset)
        refuse(RefusedRequest(fault, rest, remote: remote))
        return count
      case .complete:
        parser.reset()
        state.began()
        deadline = nil
        let exchange = Exchange(connection: self, head: head, base: bytes + offset)
        self.exchange = exchange
        offset += head.headLength
        window = UnsafeBufferPointer(start: bytes + offset, count: count - offset)
        windowTaken = 0
        tasks.start(exchange)
        exchange.headEnds()
        offset += Int(windowTaken)
        window = nil
      }
    }
    return offset
  }

  /// Continues after a response: with the next request, or the end.
  private func proceed() {
    if !input.isEmpty, state.canStart { consumeInput() }
    perform(state.settled(hasInput: !input.isEmpty))
    if state.phase == .lingering || state.phase == .closed { return }
    if state.isReadable { receive() }
    // The drain began while the response was on its way.
    if server.isDraining { drain() }
  }

  // MARK: the exchange's side

  /// Gives the body the bytes that arrived behind the head.
  func takeBody() {
    guard let exchange else { return }
    if let window {
      let rest = UnsafeBufferPointer(rebasing: window[Int(windowTaken)...])
      if let base = rest.baseAddress { windowTaken += UInt32(exchange.feedBody(base, rest.count)) }
    } else if !input.isEmpty {
      let bytes = input
      input = []
      let used = bytes.withUnsafeBufferPointer { exchange.feedBody($0.baseAddress!, $0.count) }
      input = used == 0 ? bytes : Array(bytes[used...])
    }
  }

  /// The handler waits for the rest of the body.
  func waitForBody() {
    deadline = loop.now.advanced(byNanoseconds: server.options.timeouts.body)
    perform(state.awaitsBody())
  }

  func sendContinue() { send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }

  /// The response's head is being built: returns true when it has to announce the connection's end.
  func willClose(after exchange: Exchange) -> Bool {
    state.responds(mayKeepAlive: exchange.head.keepAlive && !server.isDraining)
  }

  /// The handler has returned: the response is sent or on its way.
  func exchangeEnded(_ ended: Exchange) {
    if ended.isDetached { return server.connections.abandonedEnded() }
    guard exchange === ended else { return }
    defer { account() }
    exchange = nil
    if state.phase == .closed { return server.connections.abandonedEnded() }
    perform(state.exchangeEnded(hasResponded: ended.status != 0, isFlushed: isFlushed))
  }

  /// The exchange has its response although its handler has not returned.
  func exchangeDetached(_ detached: Exchange) {
    guard exchange === detached else { return }
    defer { account() }
    exchange = nil
    server.connections.exchangeAbandoned()
    perform(state.exchangeEnded(hasResponded: true, isFlushed: isFlushed))
  }

  // MARK: ends

  /// Responds to bytes that are not a request, and ends: nothing behind a framing error can be trusted (RFC 9112 §6.3).
  private func refuse(_ refused: RefusedRequest) {
    state.refused()
    input = []
    let response = tasks.response(to: refused)
    let start = loop.outgoing.count
    server.appendHead(of: response)
    loop.outgoing.append("Connection: close\r\n")
    // A response to HEAD has no body (RFC 9110 §9.3.2). It has no length either, which a client that did not mean HEAD would wait
    // for: the end of the connection is the end for both.
    if refused.isHead {
      loop.outgoing.append("\r\n")
    } else {
      loop.outgoing.append("Content-Length: ")
      loop.outgoing.append(decimal: response.body.prefix.count)
      loop.outgoing.append("\r\n\r\n")
      loop.outgoing.append(contentsOf: response.body.prefix)
    }
    send(loop.outgoing.take(from: start))
    guard output.isEmpty else { return }
    _ = state.flushed()
    perform(state.settled(hasInput: false))
  }

  /// Closes an idle connection, for the server drains. A request that has arrived is served, although it was not read yet.
  func drain() {
    guard state.phase == .idle else { return }
    state.readable()
    receive()
    perform(state.drained())
  }

  /// Ends at once, with a reset.
  func abort() { perform(state.reset()) }

  /// Ends at once, for the server waits no longer: with a reset where a part of a response is missing.
  ///
  /// - Returns: whether it is.
  func cut() -> Bool {
    let isPartial = exchange != nil || state.phase == .flushing
    perform(isPartial ? state.reset() : state.ended())
    return isPartial
  }

  /// `drain_timeout` is over: the exchange gets a response for the handler that did not give one.
  func detachExchange() {
    if let exchange, exchange.isCut, !exchange.hasBegunToRespond { exchange.detach(tasks.responseToCut(exchange)) }
  }

  private func closed() {
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
