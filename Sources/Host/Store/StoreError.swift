/// The reason why the store failed: a code, and one message with the remedy.
///
/// The message never contains data that was to be stored.
struct StoreError: Error, Sendable, Equatable, CustomStringConvertible {
  enum Code: String, Sendable, CaseIterable {
    /// Unreachable, busy or closed. A later attempt may succeed.
    case unavailable
    /// The file is damaged, or is not a database.
    case corrupt
    /// The database belongs to another program.
    case foreign
    /// Written by a newer version of this program.
    case newer
    /// No space left on the disk.
    case full
    /// Reading is possible, writing is not.
    case readOnly
    /// The schema is older than this program needs, and `store.migrate` forbids changing it.
    case outdated
    /// The configuration of the store can't be used.
    case misconfigured
    /// A text has a character that the database can't store.
    case unstorable
    /// A unique value is taken, or another writer changed the row in the meantime.
    case conflict
  }

  let code: Code
  let message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// Waiting does not help: the operator has to change the configuration or the database.
  var needsOperator: Bool {
    switch code {
    case .corrupt, .foreign, .newer, .readOnly, .outdated, .misconfigured, .unstorable: true
    case .unavailable, .full, .conflict: false
    }
  }

  /// The gateway refuses to start, whether the store is required or not, because the database is not the intended one.
  /// A read-only store does not prevent the start: tokens stay in memory, and the fault may be corrected while the
  /// gateway runs.
  var preventsStart: Bool { needsOperator && code != .readOnly }

  var description: String { "\(code.rawValue): \(message)" }

  static let unanswered = StoreError(.unavailable, "The store has not responded for some time.")
  static let closed = StoreError(.unavailable, "The store is closed; the gateway is stopping.")
}
