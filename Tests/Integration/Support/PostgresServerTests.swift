import Foundation
import TestSupport
import Testing

@Suite("The tests' own PostgreSQL", .blocking)
struct PostgresServerTests {
  @Test("databases are empty, apart from each other, and not run by root")
  func databases() throws {
    let server = try PostgresServer.shared()
    let (one, two) = (try server.newDatabase(), try server.newDatabase())
    try server.sql("CREATE TABLE t(n int); INSERT INTO t VALUES (7)", database: one)
    #expect(try server.sql("SELECT n FROM t", database: one) == "7")
    #expect(try server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database: two) == "0")
    #expect(throws: (any Error).self) { try server.sql("SELECT n FROM t", database: two) }
    #expect(try server.sql("SHOW server_encoding", database: two) == "UTF8")
  }

  @Test("stopped it refuses, started again it is where it was, with what was committed", arguments: [true, false])
  func restart(isCrash: Bool) throws {
    let server = try PostgresServer()
    let database = try server.newDatabase()
    try server.sql("CREATE TABLE t(n int); INSERT INTO t VALUES (7)", database: database)
    server.stop(isCrash ? .immediate : .fast)
    #expect(throws: (any Error).self) { try server.sql("SELECT 1", database: database) }
    try server.start()
    #expect(try server.sql("SELECT n FROM t", database: database) == "7")
  }

  @Test("frozen it answers nobody, and goes on when it is thawed")
  func freeze() throws {
    let server = try PostgresServer()
    let database = try server.newDatabase()
    let port = server.port
    server.freeze()
    let connection = try TestSocket.connect(port: port)
    connection.send([0, 0, 0, 8, 4, 210, 22, 47])  // SSLRequest, which is answered with one byte.
    #expect(connection.receive(until: MonotonicTime.now + 0.3) == nil)
    server.thaw()
    #expect(connection.receive(until: MonotonicTime.now + 5)?.count == 1)
    #expect(try server.sql("SELECT 1", database: database) == "1")
  }
}
