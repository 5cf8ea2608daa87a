import AdapterAPI
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Host

/// The checks behind `/readyz`: whether tokens and the catalogue can be had, each with its own connections.
@Suite(.blocking, .serialized) struct StoreCheckTests {
  /// Runs statements of another program that hold their connections until the object is released.
  private final class Holder: Sendable {
    private let server: PostgresServer
    private let mark = "hold-\(UUID().uuidString)"

    init(_ server: PostgresServer, _ url: String, count: Int) throws {
      self.server = server
      for _ in 0..<count {
        Thread { [server, mark] in _ = try? server.sql("SELECT '\(mark)', pg_sleep(600)", database: url) }.start()
      }
      try eventually("the connections of the other programs") { try active() == count }
    }

    private var condition: String { "query LIKE '%\(mark)%' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()" }

    private func active() throws -> Int {
      Int(try server.sql("SELECT count(*) FROM pg_stat_activity WHERE \(condition)", database: "postgres")) ?? 0
    }

    func release() throws {
      _ = try server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE \(condition)", database: "postgres")
      try eventually("no connections of other programs") { try active() == 0 }
    }
  }

  /// Counts the work under way, and ends it at 100.
  private final class Gate: Sendable {
    let count = Mutex(0)
  }

  /// Makes a database whose owner may have this many connections.
  private func limited(to connections: Int) throws -> (server: PostgresServer, url: String) {
    let server = try PostgresServer.shared()
    let url = try server.newDatabase()
    let name = try #require(url.split(separator: "/").last)
    try server.sql(
      "CREATE ROLE limited\(name) LOGIN CONNECTION LIMIT \(connections); ALTER DATABASE \(name) OWNER TO limited\(name)",
      database: "postgres")
    return (server, url.replacing("postgres@", with: "limited\(name)@"))
  }

  @Test func `while the role's connections are taken by other programs, the catalogue fails and tokens do not`()
    async throws
  {
    let (server, url) = try limited(to: 3)
    let store = Store(PostgresDatabase(url))
    try await store.check(.tokens)
    let holder = try Holder(server, url, count: 2)
    #expect(await storeError { try await store.check(.catalogue) }?.message.contains("no free connection") == true)
    try await store.check(.tokens)
    try holder.release()
    try #require(await eventually { await storeError { try await store.check(.catalogue) } == nil })
    await store.close()
  }

  @Test func `connections that were ended are replaced, or found missing at once`() async throws {
    let (server, url) = try limited(to: 3)
    let store = Store(PostgresDatabase(url))
    try await store.check(.tokens)
    try await store.check(.catalogue)
    func end() throws {
      try server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pointgate' AND datname = "
          + "'\(url.split(separator: "/").last ?? "")'", database: "postgres")
    }
    try end()
    try await store.check(.catalogue)
    try await store.check(.tokens)
    let holder = try Holder(server, url, count: 1)
    try end()
    // The tokens' connection is replaced first; then two programs hold what the role may have.
    try await store.check(.tokens)
    let second = try Holder(server, url, count: 1)
    #expect(await storeError { try await store.check(.catalogue) }?.code == .unavailable)
    try second.release()
    try #require(await eventually { await storeError { try await store.check(.catalogue) } == nil })
    try holder.release()
    await store.close()
  }

  @Test(arguments: StoreKind.shared)
  func `a catalogue that is busy with its own work passes`(kind: StoreKind) async throws {
    try await withStores(kind, 1) { stores in
      let store = stores[0]
      try await store.check(.catalogue)
      let gate = Gate()
      let workers = (0..<3).map { _ in
        Task {
          try await store.database.transaction(.catalogue, .writing, limit: .seconds(60)) { (_) throws(StoreError) in
            gate.count.withLock { $0 += 1 }
            while gate.count.withLock({ $0 }) < 100 { usleep(1000) }
          }
        }
      }
      try #require(
        await eventually { gate.count.withLock { $0 } >= (kind == .postgres ? 3 : 1) }, "the work is under way")
      try await store.check(.catalogue)
      gate.count.withLock { $0 = 100 }
      for worker in workers { try await worker.value }
    }
  }

  @Test func `a SQLite file that another program has locked fails until it is released`() async throws {
    let folder = StoreFolder()
    let store = Store(SQLiteDatabase(path: folder.file("a.db")))
    try await store.check(.catalogue)
    let other = try SQLiteConnection(path: folder.file("a.db"))
    try other.execute("BEGIN IMMEDIATE")
    #expect(await storeError { try await store.check(.catalogue) }?.message.contains("locked") == true)
    try other.execute("COMMIT")
    try await store.check(.catalogue)
    await store.close()
  }

  @Test func `a SQLite file that can only be read fails`() async throws {
    let folder = StoreFolder()
    try await Store(SQLiteDatabase(path: folder.file("a.db"))).check(.catalogue)
    let store = Store(SQLiteDatabase(path: folder.file("a.db"), .readOnly))
    _ = try await store.objects(ObjectQuery(limit: 1))
    #expect(await storeError { try await store.check(.catalogue) }?.code == .readOnly)
    await store.close()
  }

  @Test func `the watch reports a locked catalogue as an unavailable store, and its end`() async throws {
    let folder = StoreFolder()
    let other = try SQLiteConnection(path: folder.file("a.db"))
    await withLoops { group in
      let (health, metrics) = (Health(), Metrics())
      let store = Store(SQLiteDatabase(path: folder.file("a.db")))
      let watch = StoreWatch(
        store, clock: LoopClock(home: group.loops[0]), executor: group.loops[0], health: health, metrics: metrics,
        log: GatewayRig.quietLog())
      watch.start()
      #expect(throws: Never.self) { try other.execute("BEGIN IMMEDIATE") }
      #expect(await eventually { health.current.reasons.map(\.code) == ["store_unavailable"] })
      #expect(throws: Never.self) { try other.execute("COMMIT") }
      #expect(await eventually { health.current.reasons.isEmpty })
      watch.stop()
      await store.close()
    }
  }

  // MARK: Text that a database can't store

  /// A database in Latin-1, and a catalogue over it.
  private func latin(_ kind: ResourceKind) throws -> CatalogueRig {
    let server = try PostgresServer.shared()
    let name = "latin\(UUID().uuidString.prefix(8).lowercased())"
    try server.sql(
      "CREATE DATABASE \(name) ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", database: "postgres")
    return CatalogueRig(kind, store: Store(PostgresDatabase(server.url(of: name))))
  }

  @Test func `a character that the database's encoding lacks is 422 with its field, never 503`() async throws {
    let rig = try latin(.objects)
    let object = try await rig.create(#"{"code":"A","name":"é","metadata":{"unit":"°C"}}"#)
    #expect(object["name"] == "é")
    #expect(StoredObject(try await rig.ask(.read(id: object.id))).metadata == #"{"unit":"°C"}"#)
    let bad: [(String, [String])] = [
      (#"{"code":"温"}"#, ["code", "name"]), (#"{"code":"B","name":"€"}"#, ["name"]),
      (#"{"code":"B","type":"π"}"#, ["type"]),
      (#"{"code":"B","description":"x🌡"}"#, ["description"]),
      (#"{"code":"B","metadata":{"a":["\u20ac"]}}"#, ["metadata"]),
      (#"{"code":"B","metadata":{"€":1},"modelId":"€","status":"€"}"#, ["modelId", "status", "metadata"]),
    ]
    for (body, fields) in bad {
      let error = await rig.refusal(.create, body)
      #expect(error?.status == 422 && error?.code == .invalidField && error?.places == fields, "\(body)")
    }
    for action in [ResourceAction.patch(id: object.id), .replace(id: object.id)] {
      #expect(await rig.refusal(action, #"{"code":"A","name":"€"}"#)?.places == ["name"])
    }
    let rows = (0..<300).map { #"{"code":"C\#($0)","name":"\#($0 % 100 == 7 ? "温" : "n")"}"# }
    #expect(
      await rig.refusal(.importAll, "[\(rows.joined(separator: ","))]")?.places == ["8.name", "108.name", "208.name"])
    #expect(
      await rig.refusal(.importAll, "code,name\nB,b\n,\nC,€\n", type: "text/csv")?.places == ["4.name"])
    for query in ["q=%E2%82%AC", "type=%E2%82%AC", "metadata.unit=%E2%82%AC", "metadata.%E2%82%AC=1"] {
      #expect(try await rig.list(query).isEmpty, "\(query)")
    }
    #expect(try await rig.list().map { $0["code"] } == ["A"])
    await rig.catalogue.store.close()
  }

  @Test func `a widget with a character that the database's encoding lacks is 422 with its field`() async throws {
    let rig = try latin(.widgets)
    let widget = try await rig.create(#"{"title":"é","kind":"value"}"#)
    for action in [ResourceAction.create, .replace(id: widget.id)] {
      let error = await rig.refusal(action, #"{"title":"€","kind":"value","codes":["a","€"],"options":{"u":"€"}}"#)
      #expect(error?.status == 422 && error?.places == ["title", "codes[1]", "options"], "\(action)")
    }
    await rig.catalogue.store.close()
  }
}
