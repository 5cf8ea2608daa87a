import Foundation
import TestSupport
import Testing

@Suite("The tests' own PostgreSQL", .blocking)
struct PostgresServerTests {
  @Test func `databases are empty and independent, and the server is not run by root`() throws {
    let server = try PostgresServer.shared()
    let (one, two) = (try server.newDatabase(), try server.newDatabase())
    try server.sql("CREATE TABLE t(n int); INSERT INTO t VALUES (7)", database: one)
    #expect(try server.sql("SELECT n FROM t", database: one) == "7")
    #expect(try server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database: two) == "0")
    #expect(throws: (any Error).self) { try server.sql("SELECT n FROM t", database: two) }
    #expect(try server.sql("SHOW server_encoding", database: two) == "UTF8")
  }

  @Test(arguments: [true, false])
  func `a stopped server refuses connections, and a restarted one has its port and committed data`(isCrash: Bool) throws
  {
    let server = try PostgresServer()
    let database = try server.newDatabase()
    try server.sql("CREATE TABLE t(n int); INSERT INTO t VALUES (7)", database: database)
    server.stop(isCrash ? .immediate : .fast)
    #expect(throws: (any Error).self) { try server.sql("SELECT 1", database: database) }
    try server.start()
    #expect(try server.sql("SELECT n FROM t", database: database) == "7")
  }

  @Test func `a suspended server does not respond, and a resumed one continues`() throws {
    let server = try PostgresServer()
    let database = try server.newDatabase()
    let port = server.port
    server.freeze()
    let connection = try TestSocket.connect(port: port)
    connection.send([0, 0, 0, 8, 4, 210, 22, 47])  // SSLRequest, whose response is one byte.
    #expect(connection.receive(until: MonotonicTime.now + 0.3) == nil)
    server.thaw()
    #expect(connection.receive(until: MonotonicTime.now + 5)?.count == 1)
    #expect(try server.sql("SELECT 1", database: database) == "1")
  }
}
