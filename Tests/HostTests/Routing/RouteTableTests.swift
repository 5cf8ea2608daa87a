import Testing

@testable import Host

@Suite struct RouteTableTests {
  /// Returns for each method and path the matched route's path, or the status with the allowed methods.
  private func match(_ lines: [(String, String)]) async throws -> [String] {
    let checked = try #require(GatewayRig.source().load().checked)
    return await withLoops { group in
      let services = Services(checked.configuration, group: group, log: GatewayRig.quietLog())
      let snapshot = SnapshotBuilder(services).build(checked, previous: nil).snapshot
      return lines.map { name, path in
        let (method, path) = (Array(name.utf8), Array(path.utf8))
        return method.withUnsafeBufferPointer { method in
          path.withUnsafeBufferPointer { path in
            switch snapshot.routes.match(method: RequestHead.Method(name: name), name: method, path: path) {
            case .route(let route): route.configuration.path
            case .notFound: "404"
            case .methodNotAllowed(let allow): "405 " + allow
            }
          }
        }
      }
    }
  }

  @Test func `match compares method and path byte for byte`() async throws {
    let cases = [
      ("POST", "/open", "/open"), ("GET", "/open", "405 POST"), ("post", "/open", "405 POST"),
      ("", "/open", "405 POST"),
      ("GET", "/both", "/both"), ("POST", "/both", "/both"), ("HEAD", "/both", "/both"),
      ("PUT", "/both", "405 GET, HEAD, POST"), ("HEAD", "/open", "405 POST"), ("OPTIONS", "*", "404"),
      ("POST", "/open/", "404"), ("POST", "/OPEN", "404"), ("POST", "/ope", "404"), ("POST", "/openx", "404"),
      ("POST", "//open", "404"), ("POST", "/%6fpen", "404"), ("POST", "/x/../open", "404"), ("POST", "", "404"),
    ]
    #expect(try await match(cases.map { ($0.0, $0.1) }) == cases.map(\.2))
  }

  @Test func `match finds a resource for every method and every path below it`() async throws {
    let cases = [
      ("GET", "/api/objects", "/api/objects"), ("DELETE", "/api/objects/1", "/api/objects"),
      ("PATCH", "/api/objects/", "/api/objects"), ("BREW", "/api/objects/a/b", "/api/objects"),
      ("GET", "/api/objectsx", "404"), ("GET", "/api/object", "404"), ("GET", "/api", "404"),
    ]
    #expect(try await match(cases.map { ($0.0, $0.1) }) == cases.map(\.2))
  }
}
