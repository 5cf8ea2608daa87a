/// Keys that are easily written one mapping too high or too low, each with a clause that names the right place.
enum MisplacedKeys {
  static let inAdapter = clauses(AdapterType.reservedSettings, "it belongs under 'settings'")
  static let inSettings = clauses(sharing, "it belongs to a route")
  static let inDefaults = inRoute.merging(
    clauses(sharing + ["auth", "write_roles", "max_body_size"], "it has no default; set it on each route")
  ) { $1 }
  static let inRoute = clauses(AdapterType.reservedSettings, "it belongs under an adapter's 'settings'")

  /// The keys of a route for sharing upstream calls.
  private static let sharing = ["coalesce", "cache", "stale", "settle", "batch"]

  private static func clauses(_ keys: [String], _ clause: String) -> [String: String] {
    Dictionary(uniqueKeysWithValues: keys.map { ($0, clause) })
  }
}
