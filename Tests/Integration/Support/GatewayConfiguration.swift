/// The configuration of a test: the contract's routes, short timeouts, free ports.
struct GatewayConfiguration {
  struct Adapter {
    var type: String
    var settings: [String: String]
  }

  var listen = [
    "address": "127.0.0.1:0", "event_loops": "2", "header_timeout": "1s", "body_timeout": "1s", "idle_timeout": "10s",
    "drain_timeout": "5s",
  ]
  var admin = ["address": "127.0.0.1:0"]
  var log = ["level": "debug", "format": "json", "access": "true"]
  var store = ["type": "sqlite", "path": "pointgate.db"]
  var adapters = [
    "main": Adapter(
      type: "webtalk",
      settings: [
        "base_url": "{env: BASE_URL}", "app_id": "{env: APP_ID}", "connect_timeout": "2s", "first_byte_timeout": "3s",
        "total_timeout": "20s", "max_in_flight": "32", "queue": "{size: 256, wait: 5s}", "read_retries": "1",
      ]),
    "demo": Adapter(type: "mock", settings: ["points": "12", "seed": "42"]),
  ]
  var defaults = ["adapter": "main", "timeout": "30s", "roles": "[]"]
  /// Keys for single routes, by operation.
  var routes: [String: [String: String]] = [:]
  /// Whether there are routes for objects and widgets.
  var hasCatalogue = false
  /// Further routes, each a YAML mapping.
  var moreRoutes: [String] = []
  /// Further lines of YAML, behind the routes.
  var more = ""

  private static let table = [
    ("GET", Request.token, "token"), ("POST", Request.values, "values"), ("POST", Request.history, "history"),
    ("POST", Request.set, "set"), ("POST", Request.forceSet, "force-set"), ("POST", Request.alarms, "alarms"),
    ("POST", "/api/iot/alarm-configs", "alarm-configs"),
  ]

  /// The default configuration with this change.
  init(_ change: (inout GatewayConfiguration) -> Void = { _ in }) { change(&self) }

  /// The default configuration with these settings of the upstream.
  static func upstream(_ settings: [String: String]) -> GatewayConfiguration {
    GatewayConfiguration { $0.adapters["main"]?.settings.merge(settings) { $1 } }
  }

  /// For tests with many concurrent callers.
  static let busy = upstream(["max_in_flight": "64", "queue": "{size: 1000, wait: 10s}"])

  /// Uses the PostgreSQL database that the environment names.
  mutating func usePostgres(_ more: [String: String] = [:]) {
    store = ["type": "postgres", "url": "{env: DATABASE_URL}"].merging(more) { $1 }
  }

  /// The YAML.
  var text: String {
    var lines = ["version: 1", block("listen", listen), block("admin", admin), block("log", log)]
    lines.append("auth:\n  keys:\n    - {alg: HS256, secret: {env: JWT_SECRET}}")
    lines += [block("store", store), "adapters:"]
    for (name, adapter) in adapters.sorted(by: { $0.key < $1.key }) {
      lines.append("  \(name):\n    type: \(adapter.type)\n    settings:")
      lines += adapter.settings.sorted { $0.key < $1.key }.map { "      \($0): \($1)" }
    }
    lines += [block("defaults", defaults), "routes:"]
    for (method, path, operation) in Self.table {
      lines.append("  - {method: \(method), path: \(path), operation: \(operation)\(options(of: operation))}")
    }
    for (path, operation) in [(Request.objects, "objects"), (Request.widgets, "widgets")] where hasCatalogue {
      lines.append("  - {path: \(path), operation: \(operation)\(options(of: operation))}")
    }
    lines += moreRoutes.map { "  - \($0)" }
    return lines.joined(separator: "\n") + "\n" + more
  }

  private func options(of operation: String) -> String {
    (routes[operation] ?? [:]).sorted { $0.key < $1.key }.map { ", \($0): \($1)" }.joined()
  }

  private func block(_ name: String, _ keys: [String: String]) -> String {
    "\(name):\n" + keys.sorted { $0.key < $1.key }.map { "  \($0): \($1)" }.joined(separator: "\n")
  }
}
