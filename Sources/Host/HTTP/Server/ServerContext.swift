import AdapterAPI

/// The application behind a server: the gateway's pipeline, or the admin pages.
protocol ExchangeHandler: AnyObject {
  /// Serves one exchange on its loop. Runs at once up to its first `await`; until then the request's head can be read.
  func serve(_ exchange: Exchange) async
  /// Returns the response to bytes that are not a request, or not a complete one. The connection ends after it.
  func response(to refused: RefusedRequest) -> Response
  /// Returns the response to an exchange that `drain_timeout` ends while `serve` still waits.
  func responseToCut(_ exchange: Exchange) -> Response
}

extension ExchangeHandler {
  func responseToCut(_ exchange: Exchange) -> Response { Response(status: 503, fields: Fields(), body: .bytes([])) }
}

/// The requests of one loop that `drain_timeout` ended.
struct CutRequests {
  /// Answered with 503, because no response had begun.
  var refused = 0
  /// Cut off in the response.
  var brokenOff = 0
  /// Writes that may have been carried out.
  var unknownWrites = 0

  mutating func add(_ other: CutRequests) {
    refused += other.refused
    brokenOff += other.brokenOff
    unknownWrites += other.unknownWrites
  }
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
  /// The requests that `drain_timeout` ended; nil before.
  private(set) var cuts: CutRequests?
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

  /// Makes the handlers respond that have not yet: `drain_timeout` is over.
  func cutRequests() {
    cuts = CutRequests()
    for connection in open { connection.exchange?.cut() }
  }

  /// Counts a request that `drain_timeout` ended.
  ///
  /// - Parameters:
  ///   - isRefused: its client gets a response that says so.
  ///   - isUnknownWrite: the request may have changed something.
  func countCut(isRefused: Bool = true, isUnknownWrite: Bool) {
    if isRefused { cuts?.refused += 1 }
    if isUnknownWrite { cuts?.unknownWrites += 1 }
  }

  /// The number of requests that were cut and have no response yet.
  var unansweredCount: Int { open.count { $0.exchange.map { $0.isCut && !$0.hasBegunToRespond } == true } }

  /// Responds for the handlers that still wait, then resets the connections whose response has begun. The other ones have the time
  /// until `closeAll` to take theirs.
  func endRequests() {
    for connection in open {
      guard let exchange = connection.exchange else { continue }
      exchange.cut()
      if exchange.isCut {
        connection.detachExchange()
      } else if connection.cut() {
        cuts?.brokenOff += 1
      }
    }
  }

  /// Closes every connection, with a reset where a part of a response is missing.
  func closeAll() { for connection in open where connection.cut() { cuts?.brokenOff += 1 } }

  private var open: [ServerConnection] {
    loop.allObjects.compactMap { ($0 as? ServerConnection).flatMap { $0.server === self ? $0 : nil } }
  }
}
