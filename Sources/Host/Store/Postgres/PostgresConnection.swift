import AdapterAPI
import CLibPQ
import Glibc

/// One connection to PostgreSQL that never waits beyond a deadline. Not `Sendable`: it belongs to one thread.
///
/// libpq never blocks. All waiting is done here, in poll(2), where the deadline and the closing of the store interrupt
/// it. A connection without a response in time is lost: the state of its protocol is unknown.
final class PostgresConnection {
  let libpq: LibPQ
  let handle: LibPQ.Connection
  private let stop: PostgresSignal
  /// The deadline of every wait.
  var deadline = Instant.distantFuture
  /// The connection can't be used any more.
  private(set) var isLost = false
  /// Lost because nothing came before the deadline: the server, or the network, is frozen.
  private(set) var isSilent = false
  /// Lost because the store is closing.
  private(set) var isStopped = false
  /// SQLSTATE of the transaction's first error.
  var firstState: String?

  init(_ handle: LibPQ.Connection, _ libpq: LibPQ, stop: PostgresSignal) {
    self.handle = handle
    self.libpq = libpq
    self.stop = stop
  }

  deinit {
    // Keeps libpq from sending its Terminate message into a dead network.
    if isLost { shutdown(libpq.socket(handle), Int32(SHUT_RDWR)) }
    libpq.finish(handle)
  }

  // MARK: Connecting

  /// Completes the connection.
  ///
  /// - Parameter hidden: texts that no error may show, beside the password.
  func establish(until deadline: Instant, hiding hidden: [String]) throws(StoreError) {
    self.deadline = deadline
    // The default receiver would write to standard error.
    _ = libpq.setNoticeReceiver(handle, { _, _ in }, nil)
    // Makes errors end with the SQLSTATE, as in "FATAL:  28P01". libpq has no other way to the code of a failed
    // connection.
    _ = libpq.setErrorVerbosity(handle, PQERRORS_SQLSTATE)
    var state = PGRES_POLLING_WRITING
    if libpq.status(handle) == CONNECTION_BAD { state = PGRES_POLLING_FAILED }
    while state != PGRES_POLLING_OK {
      switch state {
      case PGRES_POLLING_READING: try wait(for: POLLIN)
      case PGRES_POLLING_WRITING: try wait(for: POLLOUT)
      default:
        isLost = true
        throw refusal(hiding: hidden)
      }
      state = libpq.connectPoll(handle)
    }
    guard libpq.setNonblocking(handle, 1) == 0 else { throw lost() }
  }

  private func refusal(hiding hidden: [String]) -> StoreError {
    let text = libpq.errorMessage(handle).map { String(cString: $0) } ?? ""
    let lines = text.split(separator: "\n").filter { !$0.hasPrefix("\t") }
    if let state = lines.last.flatMap({ Self.sqlState(endOf: $0) }) { return StoreError(sqlState: state) }
    let password = libpq.pass(handle).map { String(cString: $0) } ?? ""
    // An error that the url's parser does not detect.
    if lines.first?.hasPrefix("invalid ") == true { return .postgresAddress }
    let secrets = (hidden + [password]).filter { !$0.isEmpty }
    let reason = lines.joined(separator: "; ")
    let isPublic = !secrets.contains { Self.holds(reason, $0) } && reason.utf8.count <= 500
    return StoreError(
      .unavailable, "PostgreSQL can't be reached" + (isPublic && !reason.isEmpty ? ": \(reason)." : "."))
  }

  private static func holds(_ text: String, _ part: String) -> Bool {
    let (text, part) = (Array(text.utf8), Array(part.utf8))
    guard part.count <= text.count else { return false }
    return (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
  }

  /// Returns the code at the end of a line such as `…failed: FATAL:  28P01`.
  static func sqlState(endOf line: Substring) -> String? {
    let state = line.suffix(5)
    let before = line.dropLast(5)
    guard state.utf8.count == 5, before.hasSuffix(":  ") else { return nil }
    return state.utf8.allSatisfy { $0.isDigit || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 } ? String(state) : nil
  }

  // MARK: Waiting

  private func wait(for events: Int32) throws(StoreError) {
    var entries = [
      pollfd(fd: libpq.socket(handle), events: Int16(events), revents: 0),
      pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    guard PostgresSignal.poll(&entries, until: deadline) else {
      isLost = true
      isSilent = true
      throw .postgresSilent
    }
    guard entries[1].revents == 0 else {
      isLost = true
      isStopped = true
      throw .closed
    }
  }

  /// Waits for input and takes it in.
  func receive() throws(StoreError) {
    try wait(for: POLLIN)
    guard libpq.consumeInput(handle) == 1 else { throw lost() }
  }

  func lost() -> StoreError {
    isLost = true
    return .postgresLost
  }

  // MARK: Sending and receiving

  /// Sends with `send` and returns the last result. Throws the first error, if there was one.
  func exchange(_ send: (LibPQ.Connection) -> Int32) throws(StoreError) -> LibPQResult? {
    guard !isLost, send(handle) == 1 else { throw lost() }
    return try results()
  }

  func results() throws(StoreError) -> LibPQResult? {
    try flush()
    var last: LibPQResult?
    var failed: LibPQResult?
    while let result = try next() {
      switch result.status {
      case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: last = result
      case PGRES_COPY_IN:
        // The state lasts until the data are sent.
        return result
      case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE: if failed == nil { failed = result }
      default: throw lost()
      }
    }
    if libpq.status(handle) == CONNECTION_BAD { isLost = true }
    guard let failed else {
      if isLost { throw .postgresLost }
      return last
    }
    guard let state = failed.state else { throw lost() }
    if firstState == nil { firstState = state }
    throw StoreError(sqlState: state, constraint: failed.constraint, table: failed.table)
  }

  /// Waits until everything is handed to the kernel. Reads in the meantime, because a server that can't send its
  /// responses does not read either.
  func flush() throws(StoreError) {
    while true {
      switch libpq.flush(handle) {
      case 0: return
      case 1:
        try wait(for: POLLIN | POLLOUT)
        guard libpq.consumeInput(handle) == 1 else { throw lost() }
      default: throw lost()
      }
    }
  }

  private func next() throws(StoreError) -> LibPQResult? {
    while libpq.isBusy(handle) == 1 { try receive() }
    return libpq.getResult(handle).map { LibPQResult($0, libpq) }
  }
}
