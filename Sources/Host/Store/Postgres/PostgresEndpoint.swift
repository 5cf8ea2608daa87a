import AdapterAPI
import CLibPQ
import Glibc
import Synchronization

/// The address of the database. Makes connections to it.
final class PostgresEndpoint: Sendable {
  let schema: String
  private let url: Secret
  private let library = Mutex<LibPQ?>(nil)

  /// The time limit of connecting, name resolution and TLS included.
  static let connectTimeout = Duration.seconds(3)

  init(url: Secret, schema: String) {
    self.url = url
    self.schema = schema
  }

  /// Connects. Blocks up to `connectTimeout`; during name resolution, as long as the resolver takes.
  ///
  /// - Parameter stop: when raised, ends every wait of the connection.
  func connect(_ stop: PostgresSignal) throws(StoreError) -> PostgresConnection {
    let libpq = try loaded()
    try checkURL(libpq)
    let url = self.url.exposed
    let parameters: [(String, String)] = [
      // The url overrides these parameters.
      ("application_name", "pointgate"),
      // Detect a server or a network that died silently. The first is in milliseconds, the remaining ones in seconds.
      ("tcp_user_timeout", "10000"), ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
      // Looking for Kerberos tickets blocks, and costs a DNS query.
      ("gssencmode", "disable"),
      ("dbname", url),
      // This parameter overrides the url.
      ("client_encoding", "UTF8"),
    ]
    guard let handle = start(parameters, libpq) else {
      throw StoreError(.unavailable, "A connection to PostgreSQL can't be made: out of memory.")
    }
    let connection = PostgresConnection(handle, libpq, stop: stop)
    try connection.establish(until: .current + Self.connectTimeout, hiding: [url])
    return connection
  }

  /// Host, port and name of the database, as far as the url gives them.
  var place: String {
    guard !url.exposed.isEmpty, !url.exposed.holdsNUL, let libpq = try? loaded(),
      let options = libpq.conninfoParse(url.exposed, nil)
    else { return "at an unknown address" }
    defer { libpq.conninfoFree(options) }
    var values: [String: String] = [:]
    var option = options
    while let keyword = option.pointee.keyword {
      if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
      option += 1
    }
    let host = values["host"] ?? values["hostaddr"] ?? "local socket"
    return host + (values["port"].map { ":\($0)" } ?? "") + (values["dbname"].map { "/\($0)" } ?? "")
  }

  private func loaded() throws(StoreError) -> LibPQ {
    try library.withLock { (library) throws(StoreError) -> LibPQ in
      if let library { return library }
      let opened = try LibPQ()
      library = opened
      return opened
    }
  }

  /// Checks the url before connecting: libpq quotes a url that it does not understand in its error, password included.
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
