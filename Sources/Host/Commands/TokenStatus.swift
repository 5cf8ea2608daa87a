import AdapterAPI

/// What `token status` says: the stored token of each adapter that uses one. Pure; never holds a token.
struct TokenStatus: Sendable {
  struct Adapter: Sendable {
    let name: String
    /// Type and address, as `TokenRow.upstream` has them.
    let upstream: String
  }

  enum State: String, Sendable {
    case good, ended
    /// Nothing is stored.
    case none
    /// It came from another upstream than the configuration names now, so it is not used.
    case otherUpstream = "other upstream"
    /// The configuration has no such adapter.
    case notConfigured = "not configured"
  }

  struct Entry: Sendable {
    /// Nil: the row names none, as EcoCtrl writes it.
    let adapter: String?
    let state: State
    let row: TokenRow?
  }

  let entries: [Entry]
  private let now: Int64

  /// - Parameters:
  ///   - adapters: those of the configuration that use tokens.
  ///   - now: milliseconds since the epoch.
  init(_ adapters: [Adapter], _ rows: [TokenRow], now: Int64) {
    self.now = now
    var entries = adapters.map { adapter in
      let row = rows.first { $0.adapter == adapter.name }
      return Entry(adapter: adapter.name, state: TokenStatus.state(of: row, adapter, now), row: row)
    }
    entries += rows.filter { row in !adapters.contains { $0.name == row.adapter } }
      .map { Entry(adapter: $0.adapter, state: .notConfigured, row: $0) }
    self.entries = entries
  }

  private static func state(of row: TokenRow?, _ adapter: Adapter, _ now: Int64) -> State {
    guard let row, let end = row.expiresAt else { return .none }
    if row.upstream != adapter.upstream { return .otherUpstream }
    return end > now ? .good : .ended
  }

  var text: String {
    let head = ["ADAPTER", "TOKEN", "ENDS", "", "AGE", "VERSION", "RENEWED BY", "FINGERPRINT", "UPSTREAM"]
    return Terminal.table([head] + entries.map(cells))
  }

  private func cells(_ entry: Entry) -> [String] {
    let name = entry.adapter.map(Terminal.printable) ?? "(none named)"
    guard let row = entry.row else { return [name, entry.state.rawValue] + Array(repeating: "", count: 7) }
    return [
      name, entry.state.rawValue + (row.isLeased ? ", being renewed" : ""),
      row.expiresAt.map(TimeSpan.rfc3339) ?? "", row.expiresAt.map { TimeSpan.relative($0, to: now) } ?? "",
      age(of: row).map(TimeSpan.text) ?? "", row.expiresAt == nil ? "" : "\(row.version)",
      Terminal.printable(row.updatedBy ?? ""), row.fingerprint ?? "", Terminal.printable(row.upstream ?? ""),
    ]
  }

  /// `[{"adapter", "state", "expiresAt", "updatedAt", "ageMs", "updatedBy", "version", "leased", "fingerprint", "upstream"}]`;
  /// what is not known is null.
  var json: String { "[\(entries.map(json).joined(separator: ","))]" }

  private func json(_ entry: Entry) -> String {
    func text(_ value: String?) -> String { value.map(Escaping.quoted) ?? "null" }
    func number(_ value: Int64?) -> String { value.map { "\($0)" } ?? "null" }
    let row = entry.row
    return "{\"adapter\":\(text(entry.adapter)),\"state\":\(text(entry.state.rawValue)),"
      + "\"expiresAt\":\(text(row?.expiresAt.map(TimeSpan.rfc3339))),"
      + "\"updatedAt\":\(text(row?.updatedAt.map(TimeSpan.rfc3339))),\"ageMs\":\(number(row.flatMap(age))),"
      + "\"updatedBy\":\(text(row?.updatedBy)),\"version\":\(number(row?.version)),"
      + "\"leased\":\(row?.isLeased ?? false),\"fingerprint\":\(text(row?.fingerprint)),"
      + "\"upstream\":\(text(row?.upstream))}"
  }

  /// Not below zero: the clocks of two machines may differ.
  private func age(of row: TokenRow) -> Int64? {
    row.updatedAt.map { updated in
      let (age, overflow) = now.subtractingReportingOverflow(updated)
      return overflow ? 0 : max(0, age)
    }
  }
}
