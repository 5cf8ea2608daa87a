import Testing

@testable import Host

@Suite struct ResourceActionTests {
  private func match(_ kind: ResourceKind, _ method: RequestHead.Method, _ below: String) -> ResourceAction.Match {
    ResourceAction.match(kind, method: method, below: Array(below.utf8))
  }

  @Test func `paths and methods of objects select their actions`() {
    let table: [(RequestHead.Method, String, ResourceAction)] = [
      (.get, "", .list), (.head, "", .list), (.post, "", .create),
      (.get, "/7", .read(id: "7")), (.head, "/7", .read(id: "7")), (.put, "/7", .replace(id: "7")),
      (.patch, "/7", .patch(id: "7")), (.delete, "/7", .delete(id: "7")),
      (.post, "/import", .importAll), (.post, "/sync", .sync), (.get, "/imports", .read(id: "imports")),
    ]
    for (method, below, action) in table {
      #expect(match(.objects, method, below) == .action(action), "\(method) \(below)")
    }
  }

  @Test func `other methods are refused with the allowed ones`() {
    #expect(match(.objects, .delete, "") == .methodNotAllowed(allow: "GET, HEAD, POST"))
    #expect(match(.objects, .post, "/7") == .methodNotAllowed(allow: "GET, HEAD, PUT, PATCH, DELETE"))
    #expect(match(.objects, .get, "/import") == .methodNotAllowed(allow: "POST"))
    #expect(match(.objects, .other, "/sync") == .methodNotAllowed(allow: "POST"))
    #expect(match(.widgets, .patch, "/7") == .methodNotAllowed(allow: "GET, HEAD, PUT, DELETE"))
    #expect(match(.widgets, .post, "/import") == .methodNotAllowed(allow: "GET, HEAD, PUT, DELETE"))
  }

  @Test func `deeper paths, empty segments and trailing slashes are not found`() {
    for below in ["/", "//", "/7/", "/7/8", "/import/", "//7", "x"] {
      #expect(match(.objects, .get, below) == .notFound, "\(below)")
      #expect(match(.widgets, .get, below) == .notFound, "\(below)")
    }
  }

  @Test func `only list and read are not writes`() {
    let reads: [ResourceAction] = [.list, .read(id: "")]
    let writes: [ResourceAction] = [
      .create, .replace(id: ""), .patch(id: ""), .delete(id: ""), .importAll, .sync,
    ]
    #expect(reads.allSatisfy { !$0.isWrite } && writes.allSatisfy { $0.isWrite })
  }
}
