import AdapterAPI

/// The application behind a server: the gateway's pipeline, or the admin pages.
protocol ExchangeHandler: AnyObject {
  /// Serves one exchange on its loop. Runs at once up to its first `await`; until then the request's head can be read.
  func serve(_ exchange: Exchange) async
  /// Returns the response to bytes that are not a request, or not a complete one. The connection ends after it.
  func response(to refused: RefusedRequest) -> Response
}

/// One loop's side of a server: its options, its counters, its connections. On the loop's thread.
final class ServerContext {
  let loop: EventLoop
  /// Apply to what happens from now on; a reload changes them.
  var options: ServerOptions
  /// Shared by all loops.
  let connections: ConnectionCount
  /// Shared by all connections of all loops.
  let memory: MemoryBudget
  /// Shared by all loops.
  let traffic: Traffic
  /// Logs why a socket could not be registered with the loop.
  let report: (_ detail: String) -> Void
  /// Connections close after the response in progress.
  private(set) var isDraining = false
  private var date = HTTPDate()

  init(
    loop: EventLoop, options: ServerOptions, connections: ConnectionCount, memory: MemoryBudget,
    traffic: Traffic = Traffic(), report: @escaping (_ detail: String) -> Void = { _ in }
  ) {
    self.loop = loop
    self.options = options
    self.connections = connections
    self.memory = memory
    self.traffic = traffic
    self.report = report
  }

  /// Appends the response's status line and fields to the loop's outgoing bytes, without framing and `Connection`.
  func appendHead(of response: borrowing Response) {
    let loop = loop
    StatusLine.append(response.status, to: &loop.outgoing)
    loop.outgoing.append(contentsOf: response.fields.bytes)
    if !response.gateway.requestID.isEmpty {
      loop.outgoing.append("X-Request-Id: ")
      loop.outgoing.append(text: response.gateway.requestID)
      loop.outgoing.append("\r\n")
    }
    if !response.gateway.source.isEmpty {
      loop.outgoing.append("X-Gateway-Source: ")
      loop.outgoing.append(text: response.gateway.source)
      loop.outgoing.append("\r\n")
    }
    if let age = response.gateway.age {
      loop.outgoing.append("Age: ")
      loop.outgoing.append(decimal: age)
      loop.outgoing.append("\r\n")
    }
    if !response.fields.hasDate { loop.outgoing.append(contentsOf: date.line(at: loop.now)) }
  }

  /// Closes idle connections now, and each other one after its response.
  func drain() {
    isDraining = true
    for connection in open { connection.drain() }
  }

  /// Resets every connection.
  func closeAll() { for connection in open { connection.abort() } }

  private var open: [ServerConnection] {
    loop.allObjects.compactMap { ($0 as? ServerConnection).flatMap { $0.server === self ? $0 : nil } }
  }
}
