import AdapterAPI
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Host

@Suite(.blocking, .timeLimit(.minutes(2))) struct PostgresConnectTests {
  @Test func `connection errors contain neither the password nor the url`() async throws {
    let server = try PostgresServer.shared()
    let url = try server.newDatabase()
    let name = try #require(url.split(separator: "/").last)
    try server.sql("CREATE ROLE poor LOGIN PASSWORD 'open-sesame'", database: url)
    let port = server.port
    let cases = [
      ("postgresql://u:open-sesame@127.0.0.1:1/\(name)", "can't be reached"),
      ("postgresql://u:open-sesame@127.0.0.1:open-sesame/\(name)", "store.url"),
      ("postgresql://u:open-sesame%zz@127.0.0.1/\(name)", "store.url"),
      ("postgresql://u:open-sesame@127.0.0.1/\(name)?open-sesame=1", "store.schema"),
      ("postgresql://u:open-sesame@127.0.0.1/\(name)?sslmode=open-sesame", "store.url"),
      ("postgresql://u:open-sesame@127.0.0.1:\(port)/\(name)?sslmode=require", "can't be reached"),
      ("postgresql://u:open-sesame@open-sesame.invalid/\(name)", "can't be reached"),
      ("open-sesame", "store.url"), ("", "store.url"), ("host=127.0.0.1 password=open-sesame\u{0}", "store.url"),
      ("postgresql://stranger:open-sesame@127.0.0.1:\(port)/\(name)", "28000"),
      ("postgresql://poor:open-sesame@127.0.0.1:\(port)/open-sesame", "does not exist"),
      ("postgresql://poor:open-sesame@127.0.0.1:\(port)/\(name)", "GRANT USAGE, CREATE ON SCHEMA"),
    ]
    for (url, part) in cases {
      let database = PostgresDatabase(url)
      let error = await storeError { try await database.open() }
      // Waiting does not help with an invalid url.
      #expect(error?.code == (part.hasPrefix("store.") ? .misconfigured : .unavailable), "\(part)")
      #expect(error?.message.contains(part) == true, "\(error?.message ?? "no error") \(part)")
      #expect(error?.description.contains("open-sesame") == false)
      await database.close()
    }
  }

  @Test func `connecting to a server that never responds times out`() async throws {
    let silent = try SilentListener()
    let database = PostgresDatabase("postgresql://u:p@127.0.0.1:\(silent.port)/x")
    #expect(await storeError { try await database.open() } == .postgresSilent)
    await database.close()
  }

  @Test func `notifications arrive, also after a restart, and only those of the schema`() async throws {
    let server = try PostgresServer()
    let url = try server.newDatabase()
    let heard = Mutex<[String]>([])
    let database = PostgresDatabase(url)
    database.onTokenChange { _, _ in }
    database.onTokenChange { adapter, version in heard.withLock { $0.append("\(adapter) \(version)") } }
    let other = PostgresDatabase(url, schema: "other")
    for turn in 1...2 {
      // Repeated until it arrives, because the time at which the listener connects is unknown.
      try #require(
        try await eventually {
          let elsewhere = TokenKey(adapter: "elsewhere\(turn)", upstream: "u")
          _ = try await Store(other).save(storedToken(1), elsewhere, holder: "o", replacing: nil)
          try await database.rows(
            "SELECT pg_notify('\(TokenTable.channel)', t) FROM unnest(ARRAY['public bad', 'x', 'public a b 1']) t")
          try await database.rows("SELECT pg_notify('\(TokenTable.channel)', 'public main \(turn)')")
          return heard.withLock { $0.contains("main \(turn)") }
        }, "the notification of turn \(turn) arrives")
      server.stop(turn == 1 ? .fast : .immediate)
      try server.start()
    }
    #expect(heard.withLock { Set($0) } == ["main 1", "main 2"])
    await database.close()
    await other.close()
  }

  @Test func `saving a token notifies other processes`() async throws {
    let url = try PostgresServer.shared().newDatabase()
    let (database, writer) = (
      PostgresDatabase(url, schema: "own name"), Store(PostgresDatabase(url, schema: "own name"))
    )
    let heard = Mutex<[String: Int64]>([:])
    database.onTokenChange { adapter, version in heard.withLock { $0[adapter] = version } }
    let key = TokenKey(adapter: "main", upstream: "u")
    var last: StoredPair?
    try #require(
      try await eventually {
        last = try await writer.save(storedToken(1), key, holder: "me", replacing: last).savedPair ?? last
        return heard.withLock { $0["main"] } != nil
      }, "the notification of a saved token arrives")
    await database.close()
    await writer.close()
  }

  @Test(arguments: [
    ("public main 7", "main", 7), ("public a-b.c 9223372036854775807", "a-b.c", Int64.max),
  ])
  func `a valid notification is parsed`(payload: String, adapter: String, version: Int64) {
    let notification = PostgresListener.parse(payload, schema: "public")
    #expect(notification?.adapter == adapter)
    #expect(notification?.version == version)
  }

  @Test(arguments: [
    "", "public", "public ", "public  7", "public main", "public main ", "public main x", "public main 7 ",
    "public main 07",
    "public main +7", "public main -7", "public main 0", "public main 9223372036854775808", "public a b 7",
    "Public main 7",
    "publicmain 7", "other main 7",
  ])
  func `an invalid notification is ignored`(payload: String) {
    #expect(PostgresListener.parse(payload, schema: "public") == nil)
  }

  /// Accepts connections into its backlog and never reads.
  private final class SilentListener: Sendable {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let descriptor = descriptor
      let port = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> UInt16? in
          guard bind(descriptor, address, length) == 0, listen(descriptor, 8) == 0,
            getsockname(descriptor, address, &length) == 0
          else { return nil }
          return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
        }
      }
      self.port = try #require(port)
    }

    deinit { close(descriptor) }
  }
}
