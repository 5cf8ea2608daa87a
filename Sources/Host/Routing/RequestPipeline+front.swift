import AdapterAPI

/// The steps of a front's calls that differ from those of other routes: route, authenticate, and the call for a token.
extension RequestPipeline {
  /// Returns the route of the call's operation, or the front itself for a token call.
  @inline(never)
  func frontRoute(_ front: Route, _ exchange: Exchange) throws(GatewayError) -> Route {
    let below = front.rest(of: exchange.bytes(exchange.head.path))
    switch FrontCall.match(method: exchange.head.method, below: below) {
    case .call(.token): return front
    case .call(.operation(let operation)): return front.ofFront(for: operation)
    case .notFound: throw .notFound
    case .methodNotAllowed(let allow): throw .methodNotAllowed(allow)
    }
  }

  /// Checks the application, its token and its role. A token call has its credentials in the query; see `grantToken`.
  @inline(never)
  func authenticate(
    _ exchange: Exchange, at front: Front, _ route: Route, _ record: RequestRecord
  ) throws(GatewayError) {
    guard route.configuration.front == nil else { return }
    let head = exchange.head
    guard let app = front.app(id: exchange.bytes(head[.appID])) else {
      throw .front(302, "The appId is not known here.", why: "the appId is missing or unknown")
    }
    record.subject = app.subject
    let token = exchange.bytes(head[.token])
    guard !token.isEmpty else { throw .front(301, "The request has no Token.", why: "no Token header") }
    let principal: Principal
    do throws(Refusal) { principal = try front.verified(token, .access, frontVerifier) } catch {
      throw .front(302, "The token is not valid here.", why: error.reason)
    }
    guard principal.subject == app.name else {
      throw .front(302, "The token is not valid here.", why: "the token is another application's")
    }
    guard System.wall() / 1000 < principal.expiresAt else {
      throw .front(301, "The token has expired.", why: Refusal.expired.reason)
    }
    guard route.roles.isEmpty || route.roles.contains(where: app.roles.contains) else {
      throw .front(403, "This application does not have a role that the call requires.", why: "no role")
    }
  }

  /// Returns the response to a front's token call: a new pair for an application's id, or for its refresh token.
  @inline(never)
  func grantToken(_ route: Route, _ exchange: Exchange, _ record: RequestRecord) async throws(GatewayError) -> Response
  {
    guard let front = route.front else { throw .notFound }
    let now = System.wall() / 1000
    let query = try FrontTokenQuery(exchange.bytes(exchange.head.query))
    let app = try logIn(query, at: front, now: now, record)
    _ = try await read(exchange, limit: route.configuration.maxBodySize)
    return Response(
      status: 200, fields: RequestPipeline.privateJSON, body: .bytes(front.grant(to: app, now: now)),
      gateway: GatewayHeaders(requestID: record.requestID))
  }

  private func logIn(
    _ query: FrontTokenQuery, at front: Front, now: Int64, _ record: RequestRecord
  ) throws(GatewayError) -> Front.App {
    guard let app = query.appID.withUnsafeBufferPointer({ front.app(id: $0) }) else {
      throw .front(304, "The appId is not known here.", why: "the appId is missing or unknown")
    }
    record.subject = app.subject
    switch query.grantType {
    case "authorization": break
    case "refresh": try checkRefreshToken(query.refreshToken, of: app, at: front, now: now)
    default: throw .front(303, "The grant_type must be 'authorization' or 'refresh'.", why: "unknown grant_type")
    }
    return app
  }

  private func checkRefreshToken(
    _ token: [UInt8], of app: Front.App, at front: Front, now: Int64
  ) throws(GatewayError) {
    let message = "The refresh token is not valid; authorize again."
    let principal: Principal
    do throws(Refusal) {
      principal = try token.withUnsafeBufferPointer { token throws(Refusal) in
        try front.verified(token, .refresh, frontVerifier)
      }
    } catch {
      throw .front(305, message, why: error.reason)
    }
    guard principal.subject == app.name else {
      if front.hasApp(named: principal.subject) {
        throw .front(304, "The appId is not that of the refresh token.", why: "the appId of another application")
      }
      throw .front(305, message, why: "the token is another application's")
    }
    guard now < principal.expiresAt else { throw .front(305, message, why: Refusal.expired.reason) }
  }
}

extension Front {
  /// Returns the claims of a token of this purpose. Does not compare its times with the clock.
  fileprivate func verified(
    _ token: UnsafeBufferPointer<UInt8>, _ purpose: FrontTokens.Purpose, _ verifier: TokenVerifier?
  ) throws(Refusal) -> Principal {
    guard let verifier else { throw .noKey }
    let principal = try verifier.principal(of: token)
    guard principal.roles == [purpose.rawValue] else { throw .purpose }
    return principal
  }
}
