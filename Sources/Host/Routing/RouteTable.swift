import AdapterAPI
import Glibc

/// One entry of the route table.
final class Route: Sendable {
  let configuration: Configuration.Route
  let adapter: AdapterInstance
  let metrics: RouteMetrics
  /// The roles that the route's operation requires, for a resource those of reading requests; empty: any valid token.
  let roles: [String]
  /// The roles that a writing request to a resource requires.
  let writeRoles: [String]
  /// In nanoseconds.
  let timeout: Int64
  /// Nil: each request makes an upstream call of its own.
  let sharing: SharingPolicy?
  /// Nil: no call is made for the codes of several requests.
  let batch: Batch?
  /// Nil: the callers have JWTs.
  let front: Front?
  /// The routes of a front's operations; empty on other routes.
  private let frontRoutes: [Operation: Route]
  /// Nil: every method.
  fileprivate let method: RequestHead.Method?
  fileprivate let path: [UInt8]

  typealias Batch = (merger: BatchMerger, policy: Configuration.Batch)

  /// - Parameters:
  ///   - merger: the adapter's; used if the route has `batch`.
  ///   - front: the applications and tokens of a front, or of the front that the route is a part of.
  init(
    _ configuration: Configuration.Route, adapter: AdapterInstance, metrics: RouteMetrics, merger: BatchMerger? = nil,
    front: Front? = nil
  ) {
    self.front = front
    if front != nil, configuration.front != nil {
      frontRoutes = Dictionary(
        uniqueKeysWithValues: Operation.allCases.map {
          let part = configuration.ofFront(for: $0)
          return ($0, Route(part, adapter: adapter, metrics: metrics, merger: merger, front: front))
        })
    } else {
      frontRoutes = [:]
    }
    self.configuration = configuration
    self.adapter = adapter
    self.metrics = metrics
    method = configuration.method.map { RequestHead.Method(name: $0) }
    path = Array(configuration.path.utf8)
    timeout = configuration.timeout.nanoseconds
    sharing = SharingPolicy(configuration, hasBudget: adapter.budget != nil)
    if let merger, let policy = configuration.batch { batch = (merger, policy) } else { batch = nil }
    writeRoles = configuration.writeRoles
    roles = configuration.isWrite ? configuration.writeRoles : configuration.roles
  }

  /// Returns the route that a front's calls of an operation take.
  func ofFront(for operation: Operation) -> Route { frontRoutes[operation] ?? self }

  /// Returns the part of a path after this route's own: empty, or with a slash at its start.
  func rest(of candidate: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: candidate.dropFirst(path.count))
  }

  /// Whether a path is this route's, byte for byte: no decoding, no dot segments, no second spelling.
  fileprivate func matches(_ candidate: UnsafeBufferPointer<UInt8>) -> Bool {
    if candidate.count == path.count { return isPrefix(of: candidate) }
    // A resource includes every path below its own.
    return configuration.method == nil && candidate.count > path.count && candidate[path.count] == UInt8(ascii: "/")
      && isPrefix(of: candidate)
  }

  private func isPrefix(of candidate: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = candidate.baseAddress else { return path.isEmpty }
    return path.withUnsafeBufferPointer { memcmp($0.baseAddress!, base, path.count) == 0 }
  }
}

/// Finds a route by method and path. With a handful of entries a loop is faster than a dictionary.
struct RouteTable: Sendable {
  enum Match {
    case route(Route)
    case notFound
    case methodNotAllowed(allow: String)
  }

  let routes: [Route]

  init(_ routes: [Route]) { self.routes = routes }

  /// The keys of the fronts' tokens, which all fronts of a configuration share; nil without a front.
  var frontKeys: KeyRing? { routes.lazy.compactMap(\.front).first?.tokens.keys }

  /// - Parameter name: the method as it was sent, for methods without a case of their own.
  func match(method: RequestHead.Method, name: UnsafeBufferPointer<UInt8>, path: UnsafeBufferPointer<UInt8>) -> Match {
    var allowed: [String] = []
    for route in routes where route.matches(path) {
      guard let wanted = route.method, let word = route.configuration.method else { return .route(route) }
      // HEAD is GET without the body (RFC 9110 §9.3.2).
      if wanted == method || (wanted == .get && method == .head), wanted != .other || word.utf8.elementsEqual(name) {
        return .route(route)
      }
      allowed.append(word)
      if wanted == .get { allowed.append("HEAD") }
    }
    return allowed.isEmpty ? .notFound : .methodNotAllowed(allow: allowed.joined(separator: ", "))
  }
}

extension RequestHead.Method {
  /// Methods are case-sensitive (RFC 9110 §9.1).
  init(name: String) {
    self =
      switch name {
      case "GET": .get
      case "HEAD": .head
      case "POST": .post
      case "PUT": .put
      case "PATCH": .patch
      case "DELETE": .delete
      case "OPTIONS": .options
      default: .other
      }
  }
}
