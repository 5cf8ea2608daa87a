import AdapterAPI

/// The pages of the admin listener: `/livez`, `/readyz`, `/metrics`. They need no authentication and show no secrets.
final class AdminPages: ExchangeHandler {
  private let health: Health
  private let metrics: Metrics
  private let group: EventLoopGroup
  private let log: Log
  /// Updates the gauges that are only computed for a page.
  private let prepare: @Sendable () -> Void

  /// A loop that does not respond within this time is not alive.
  private static let timeout = Duration.seconds(2)

  init(
    health: Health, metrics: Metrics, group: EventLoopGroup, log: Log, prepare: @escaping @Sendable () -> Void
  ) {
    self.health = health
    self.metrics = metrics
    self.group = group
    self.log = log
    self.prepare = prepare
  }

  func serve(_ exchange: Exchange) async {
    let path = String(decoding: exchange.bytes(exchange.head.path), as: UTF8.self)
    let pages = ["/livez", "/readyz", "/metrics"]
    guard pages.contains(path) else { return refuse(.notFound, exchange) }
    guard exchange.head.method == .get || exchange.head.method == .head else {
      return refuse(.methodNotAllowed("GET, HEAD"), exchange)
    }
    switch path {
    case "/livez":
      let alive = await loopsRespond(exchange.loop)
      respond(
        exchange, alive ? 200 : 503, "text/plain", Array((alive ? "ok\n" : "an event loop does not respond\n").utf8))
    case "/readyz":
      let (status, body) = health.readyz()
      respond(exchange, status, "application/json", body)
    default:
      prepare()
      respond(exchange, 200, Exposition.contentType, metrics.render())
    }
  }

  /// Returns whether every loop handles a message within `timeout`.
  private func loopsRespond(_ home: EventLoop) async -> Bool {
    let deadline = home.now + AdminPages.timeout
    for loop in group.loops where loop !== home {
      let wait = LoopWait<Void>(loop: home)
      let bound = LoopBound(wait, on: home)
      loop.post { home.post { bound.value.end(.value(())) } }
      if case .timedOut = await wait.wait(until: deadline) { return false }
    }
    return true
  }

  func response(to refused: RefusedRequest) -> Response {
    let response = Response(GatewayError(refused.fault), requestID: RequestID.make())
    // Served requests are not logged here, but a client that speaks another protocol needs to be found.
    if log.wantsAccess { log.access(AccessRecord(refused, response, route: "admin")) }
    return response
  }

  private func refuse(_ error: GatewayError, _ exchange: Exchange) {
    exchange.respondAtOnce(Response(error, requestID: RequestID.make()))
  }

  private func respond(_ exchange: Exchange, _ status: Int, _ type: String, _ body: [UInt8]) {
    let fields = Fields(checkedBlock: Array("Content-Type: \(type)\r\nCache-Control: no-store\r\n".utf8))
    exchange.respondAtOnce(Response(status: status, fields: fields, body: .bytes(body)))
  }
}
