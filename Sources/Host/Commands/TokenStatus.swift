import AdapterAPI

/// The report of `token status`: the state of each adapter's stored token, without the token. Makes no calls.
struct TokenStatus: Sendable {
  struct Adapter: Sendable {
    let name: String
    /// Type and address, in the form of `TokenRow.upstream`.
    let upstream: String
  }

  enum State: String, Sendable {
    case good, ended
    /// No token is stored.
    case none
    /// The token came from an upstream that the configuration does not name any more, so it is not used.
    case otherUpstream = "other upstream"
    /// The configuration has no such adapter.
    case notConfigured = "not configured"
  }

  struct Entry: Sendable {
    /// Nil where the row names none, as EcoCtrl writes it.
    let adapter: String?
    let state: State
    let row: TokenRow?
  }

  let entries: [Entry]
  private let now: Int64

  /// - Parameters:
  ///   - adapters: the adapters of the configuration that use tokens.
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

  private func printable(_ text: String) -> String { Spelling.printable(text, limit: 200) }

  private func cells(_ entry: Entry) -> [String] {
    let name = entry.adapter.map(printable) ?? "(none named)"
    guard let row = entry.row else { return [name, entry.state.rawValue] + Array(repeating: "", count: 7) }
    return [
      name, entry.state.rawValue + (row.isLeased ? ", being renewed" : ""),
      row.expiresAt.map(TimeSpan.rfc3339) ?? "", row.expiresAt.map { TimeSpan.relative($0, to: now) } ?? "",
      age(of: row).map(TimeSpan.text) ?? "", row.expiresAt == nil ? "" : "\(row.version)",
      printable(row.updatedBy ?? ""), row.fingerprint ?? "", printable(row.upstream ?? ""),
    ]
  }

  /// Writes an entry as a JSON object; unknown values are null.
  func write(_ writer: inout JSONWriter, _ entry: Entry) {
    let row = entry.row
    writer.object {
      $0.member("adapter", entry.adapter)
      $0.member("state", entry.state.rawValue)
      $0.member("expiresAt", row?.expiresAt.map(TimeSpan.rfc3339))
      $0.member("updatedAt", row?.updatedAt.map(TimeSpan.rfc3339))
      $0.member("ageMs", row.flatMap(age).map { Int($0) })
      $0.member("updatedBy", row?.updatedBy)
      $0.member("version", (row?.version).map { Int($0) })
      $0.member("leased", row?.isLeased ?? false)
      $0.member("fingerprint", row?.fingerprint)
      $0.member("upstream", row?.upstream)
    }
  }

  /// The age in milliseconds; never negative, as the clocks of two machines may differ.
  private func age(of row: TokenRow) -> Int64? {
    row.updatedAt.map { updated in
      let (age, overflow) = now.subtractingReportingOverflow(updated)
      return overflow ? 0 : max(0, age)
    }
  }
}
