/// Why the store could not do its work: a code, and one sentence that says what to do.
///
/// Never holds what was to be stored.
struct StoreError: Error, Sendable, Equatable, CustomStringConvertible {
  enum Code: String, Sendable, CaseIterable {
    /// Not reachable now, or busy, or closed: it may work again later.
    case unavailable
    /// The file is damaged, or no database at all.
    case corrupt
    /// A database of some other program.
    case foreign
    /// Written by a newer version of this program.
    case newer
    /// No space left.
    case full
    /// May be read and not written.
    case readOnly
    /// The schema is older than this program's, and `store.migrate` forbids to change it.
    case outdated
    /// What the configuration says of the store can't be used, whatever the store does.
    case misconfigured
    /// What was to be stored is taken already: a unique value, or a row that somebody changed meanwhile.
    case conflict
  }

  let code: Code
  let message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// Waiting does not help: somebody has to change the configuration or the file.
  var needsOperator: Bool {
    switch code {
    case .corrupt, .foreign, .newer, .readOnly, .outdated, .misconfigured: true
    case .unavailable, .full, .conflict: false
    }
  }

  /// The gateway does not even start with it, required or not: the store is not the one that was meant. One that can only
  /// be read is as good as away: tokens are kept in memory, and it may be mended while the gateway runs.
  var preventsStart: Bool { needsOperator && code != .readOnly }

  var description: String { "\(code.rawValue): \(message)" }

  static let unanswered = StoreError(.unavailable, "The store has not answered for some time.")
  static let closed = StoreError(.unavailable, "The store is closed; the gateway is stopping.")
}
