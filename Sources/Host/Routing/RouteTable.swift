import AdapterAPI
import Glibc

/// One entry of the route table, ready to serve.
final class Route: Sendable {
  let configuration: Configuration.Route
  let adapter: AdapterInstance
  let metrics: RouteMetrics
  /// The roles that this route's operation asks for, reading requests where it has both kinds; empty: any valid token.
  let roles: [String]
  /// What a writing request to a resource asks for.
  let writeRoles: [String]
  /// Nanoseconds.
  let timeout: Int64
  /// Nil: every request has an upstream call of its own.
  let sharing: SharingPolicy?
  /// Nil: no call is made for several callers' codes.
  let batch: Batch?
  /// Nil: every method.
  fileprivate let method: RequestHead.Method?
  fileprivate let path: [UInt8]

  /// What merges this route's requests with others, and how.
  typealias Batch = (merger: BatchMerger, policy: BatchMerger.Policy)

  /// - Parameter merger: the adapter's; it is used where the configuration says so.
  init(
    _ configuration: Configuration.Route, adapter: AdapterInstance, metrics: RouteMetrics, merger: BatchMerger? = nil
  ) {
    self.configuration = configuration
    self.adapter = adapter
    self.metrics = metrics
    method = configuration.method.map { RequestHead.Method(name: $0) }
    path = Array(configuration.path.utf8)
    timeout = configuration.timeout.nanoseconds
    sharing = SharingPolicy(configuration, hasBudget: adapter.budget != nil)
    if let merger, let policy = configuration.batch { batch = (merger, policy) } else { batch = nil }
    writeRoles = configuration.writeRoles
    if case .operation(let operation) = configuration.target, operation.isWrite {
      roles = configuration.writeRoles
    } else {
      roles = configuration.roles
    }
  }

  /// What follows this route's own path; empty, or begun with a slash.
  func rest(of candidate: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: candidate.dropFirst(path.count))
  }

  /// The path is this route's, byte for byte: no decoding, no dot segments, no second spelling.
  fileprivate func matches(_ candidate: UnsafeBufferPointer<UInt8>) -> Bool {
    if candidate.count == path.count { return isPrefix(of: candidate) }
    // A resource has everything below its path.
    return configuration.method == nil && candidate.count > path.count && candidate[path.count] == 47
      && isPrefix(of: candidate)
  }

  private func isPrefix(of candidate: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = candidate.baseAddress else { return path.isEmpty }
    return path.withUnsafeBufferPointer { memcmp($0.baseAddress!, base, path.count) == 0 }
  }
}

/// Method and path → route. A handful of entries: a loop over them is faster than a dictionary would be.
struct RouteTable: Sendable {
  enum Match {
    case route(Route)
    case notFound
    case methodNotAllowed(allow: String)
  }

  let routes: [Route]

  init(_ routes: [Route]) { self.routes = routes }

  /// - Parameter name: the method as it was sent, for those that have no case of their own.
  func match(method: RequestHead.Method, name: UnsafeBufferPointer<UInt8>, path: UnsafeBufferPointer<UInt8>) -> Match {
    var others: [String] = []
    for route in routes where route.matches(path) {
      guard let wanted = route.method, let word = route.configuration.method else { return .route(route) }
      // HEAD is GET without the body (RFC 9110 §9.3.2).
      if wanted == method || (wanted == .get && method == .head), wanted != .other || word.utf8.elementsEqual(name) {
        return .route(route)
      }
      others.append(word)
      if wanted == .get { others.append("HEAD") }
    }
    return others.isEmpty ? .notFound : .methodNotAllowed(allow: others.joined(separator: ", "))
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
