import AdapterAPI

extension Configuration {
  /// A route on which programs that speak WebTalk call the gateway as if it were their WebTalk.
  struct Front: Sendable, Equatable {
    /// The value of `operation:`. It is also the audience of the front's tokens, and the purpose that their key is derived for.
    static let operation = "webtalk-front"

    /// An application that may log in. Its id is its only credential.
    struct App: Sendable, Equatable {
      var id: Secret
      /// The name of the application in the log.
      var subject: String
      var roles: [String]
    }

    var apps: [App] = []
    /// The lifetime of access tokens.
    var tokenLife = Duration.seconds(2 * 3600)
    /// The lifetime of refresh tokens.
    var refreshLife = Duration.seconds(720 * 3600)
  }
}

extension Configuration.Auth {
  /// The secret of the first HS256 key, which signs client tokens and from which the key of a front's tokens is derived.
  var firstSharedSecret: Secret? {
    for case .secret(.HS256, let secret, _) in keys.map(\.material) { return secret }
    return nil
  }
}

extension Configuration.Route {
  /// Nil: the route is not a front.
  var front: Configuration.Front? { if case .front(let front) = target { front } else { nil } }

  /// Returns the route that a front's calls of an operation take.
  func ofFront(for operation: Operation) -> Configuration.Route {
    var route = self
    route.target = .operation(operation)
    if operation != .values { route.batch = nil }
    return route
  }
}
