import AdapterAPI
import CLibPQ
import Glibc
import Synchronization

/// Where the database is, and how a connection to it is made.
final class PostgresEndpoint: Sendable {
  let schema: String
  private let url: Secret
  private let library = Mutex<LibPQ?>(nil)

  /// For connecting, names and TLS included.
  static let patience = Duration.seconds(3)

  init(url: Secret, schema: String) {
    self.url = url
    self.schema = schema
  }

  /// Blocks up to `patience`; while a name is being resolved, as long as the resolver does.
  ///
  /// - Parameter stop: raised to end whatever the connection waits for.
  func connect(_ stop: PostgresSignal) throws(StoreError) -> PostgresConnection {
    let libpq = try loaded()
    try checkURL(libpq)
    let url = self.url.exposed
    let parameters: [(String, String)] = [
      // What the url says later wins over these.
      ("application_name", "pointgate"),
      // A server, or a network, that died without a word; milliseconds here, seconds there.
      ("tcp_user_timeout", "10000"), ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
      // Looking for Kerberos tickets blocks, and costs a look-up in the DNS.
      ("gssencmode", "disable"),
      ("dbname", url),
      // And this wins over the url.
      ("client_encoding", "UTF8"),
    ]
    guard let handle = start(parameters, libpq) else {
      throw StoreError(.unavailable, "There is no memory for a connection to PostgreSQL.")
    }
    let connection = PostgresConnection(handle, libpq, stop: stop)
    try connection.establish(until: .current + Self.patience, hiding: [url])
    return connection
  }

  private func loaded() throws(StoreError) -> LibPQ {
    try library.withLock { (library) throws(StoreError) -> LibPQ in
      if let library { return library }
      let opened = try LibPQ()
      library = opened
      return opened
    }
  }

  /// libpq quotes a url that it does not understand, password and all; so it is asked beforehand and its words are not
  /// passed on.
  private func checkURL(_ libpq: LibPQ) throws(StoreError) {
    guard !url.exposed.isEmpty, !url.exposed.holdsNUL, !schema.holdsNUL else { throw .postgresAddress }
    var message: LibPQ.MutableText?
    let options = libpq.conninfoParse(url.exposed, &message)
    let words = message.map { String(cString: $0) } ?? ""
    libpq.freemem(message)
    libpq.conninfoFree(options)
    if options != nil { return }
    let isParameter = ["invalid URI query parameter", "invalid connection option"].contains { words.hasPrefix($0) }
    throw isParameter ? .postgresParameter : .postgresAddress
  }

  private func start(_ parameters: [(String, String)], _ libpq: LibPQ) -> LibPQ.Connection? {
    let texts = parameters.map { (strdup($0.0), strdup($0.1)) }
    defer {
      for (name, value) in texts {
        free(name)
        free(value)
      }
    }
    let names = texts.map { $0.0.map { UnsafePointer($0) } } + [nil]
    let values = texts.map { $0.1.map { UnsafePointer($0) } } + [nil]
    return libpq.connectStartParams(names, values, 1)
  }
}
