/// The action that a method and the rest of the path select.
///
/// Decided from the request line alone, before authentication: an unknown path or method is reported without a token.
/// Only authenticated callers learn whether an id is unknown or malformed.
enum ResourceAction: Sendable, Equatable {
  case list, create
  case read(id: String)
  case replace(id: String)
  case patch(id: String)
  case delete(id: String)
  case importAll, sync

  /// The result of matching a path and a method.
  enum Match: Sendable, Equatable {
    case action(ResourceAction)
    case notFound
    case methodNotAllowed(allow: String)
  }

  /// The action requires the roles for writing.
  var isWrite: Bool {
    switch self {
    case .list, .read: false
    case .create, .replace, .patch, .delete, .importAll, .sync: true
    }
  }

  /// - Parameter below: the bytes of the path after the resource's own path; empty, or starting with `/`.
  static func match(
    _ kind: ResourceKind, method: RequestHead.Method, below: some BidirectionalCollection<UInt8>
  ) -> Match {
    if below.isEmpty { return collection(method) }
    let segment = below.dropFirst()
    guard below.first == UInt8(ascii: "/"), !segment.isEmpty, !segment.contains(UInt8(ascii: "/")) else {
      return .notFound
    }
    let name = String(decoding: segment, as: UTF8.self)
    if kind == .objects, name == "import" || name == "sync" {
      guard method == .post else { return .methodNotAllowed(allow: "POST") }
      return .action(name == "import" ? .importAll : .sync)
    }
    return item(kind, name, method)
  }

  private static func collection(_ method: RequestHead.Method) -> Match {
    switch method {
    // HEAD is GET without the body (RFC 9110 §9.3.2).
    case .get, .head: .action(.list)
    case .post: .action(.create)
    case .put, .patch, .delete, .options, .other: .methodNotAllowed(allow: "GET, HEAD, POST")
    }
  }

  private static func item(_ kind: ResourceKind, _ id: String, _ method: RequestHead.Method) -> Match {
    switch method {
    case .get, .head: .action(.read(id: id))
    case .put: .action(.replace(id: id))
    case .delete: .action(.delete(id: id))
    case .patch where kind == .objects: .action(.patch(id: id))
    case .post, .patch, .options, .other:
      .methodNotAllowed(allow: kind == .objects ? "GET, HEAD, PUT, PATCH, DELETE" : "GET, HEAD, PUT, DELETE")
    }
  }
}
