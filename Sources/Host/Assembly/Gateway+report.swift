import AdapterAPI

/// The log lines that say what a gateway was started with, and what a reload has changed.
extension Gateway {
  /// Logs one line about the whole and one for each listener.
  ///
  /// - Parameter version: the version of the program.
  func logStart(version: String) {
    let routes = snapshot.configuration.routes.count
    services.log.info(
      "started",
      [
        ("version", "\(version)"), ("config", "\(source.file)"), ("store", "\(storeText)"),
        ("adapters", "\(GatewayReport.text(of: snapshot.adapters))"), ("routes", .int(routes)),
      ])
    for (key, address) in [("listen", address), ("admin", adminAddress)] {
      services.log.info("listening", [("listener", "\(key)"), ("url", "http://\(address)")])
    }
  }

  /// The kind of the store with its place, and the version of its schema if it was reached.
  private var storeText: String {
    let store = snapshot.configuration.store
    let state = isStoreOpen ? "schema version \(Migration.newest)" : "not reached yet"
    switch store.kind {
    case .memory: return "memory"
    case .sqlite(let path): return "sqlite \(path), \(state)"
    case .postgres: return "postgres \(services.store.database.place), schema \(store.schema), \(state)"
    }
  }
}

/// Texts about snapshots for log lines.
enum GatewayReport {
  static func text(of adapters: [AdapterInstance]) -> String {
    adapters.map { "\($0.name) \($0.adapter.upstream.type) \($0.adapter.upstream.address)" }.joined(separator: ", ")
  }

  /// Returns the differences between two configurations in one line: `log.level, adapter demo added, route POST /a changed`.
  static func changes(from old: Snapshot, to new: Snapshot) -> String {
    let (before, after) = (old.configuration, new.configuration)
    var changes = keys(before.listen, after.listen, "listen") + keys(before.log, after.log, "log")
    changes += keys(before.auth, after.auth, "auth")
    if before.auth.keys.map({ "\($0.material)" }) != after.auth.keys.map({ "\($0.material)" }) {
      changes.append("auth.keys")
    }
    if before.defaultAdapter != after.defaultAdapter { changes.append("defaults.adapter") }
    changes += differences(
      "adapter", old.adapters.map { ($0.name, $0.fingerprint) }, new.adapters.map { ($0.name, $0.fingerprint) })
    changes += differences("route", before.routes.map(entry), after.routes.map(entry))
    return changes.isEmpty ? "nothing" : changes.joined(separator: ", ")
  }

  /// Returns the names of the changed keys of a section, as the configuration writes them.
  private static func keys<Section>(_ old: Section, _ new: Section, _ name: String) -> [String] {
    zip(Mirror(reflecting: old).children, Mirror(reflecting: new).children).compactMap { before, after in
      guard let label = before.label, label != "keys", !label.hasSuffix("Position") else { return nil }
      return "\(before.value)" == "\(after.value)" ? nil : "\(name).\(snakeCase(label))"
    }
  }

  private static func snakeCase(_ label: String) -> String {
    label.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
  }

  private static func entry(of route: Configuration.Route) -> (name: String, value: String) {
    var route = route
    // A route that only moved in the file is the same.
    route.position = .wholeFile
    return ("\(route.method ?? "*") \(route.path)", "\(route)")
  }

  /// The number of names of one kind that a line shows.
  private static let shown = 5

  private static func differences(
    _ kind: String, _ old: [(name: String, value: String)], _ new: [(name: String, value: String)]
  ) -> [String] {
    let before = Dictionary(old, uniquingKeysWith: { first, _ in first })
    let after = Dictionary(new, uniquingKeysWith: { first, _ in first })
    let changes: [(verb: String, names: [String])] = [
      ("added", new.map(\.name).filter { before[$0] == nil }), ("removed", old.map(\.name).filter { after[$0] == nil }),
      ("changed", new.filter { entry in before[entry.name].map { $0 != entry.value } ?? false }.map(\.name)),
    ]
    return changes.flatMap { verb, names in
      names.prefix(shown).map { "\(kind) \($0) \(verb)" }
        + (names.count > shown ? ["\(names.count - shown) further \(kind)s \(verb)"] : [])
    }
  }
}
