/// Keys that are easily written in the wrong mapping, each with a clause that names the right place.
enum MisplacedKeys {
  /// A mapping of the configuration with its keys.
  enum Mapping: CaseIterable {
    case top, listen, admin, log, limits, auth, store, adapter, settings, defaults, route, stream, console, telemetry,
      reload
  }

  /// Returns the clauses for one mapping: for every key of another one.
  ///
  /// - Parameter vendorKeys: the vendors' own settings.
  static func clauses(in mapping: Mapping, vendorKeys: [String]) -> [String: String] {
    var places: [String: [String]] = [:]
    for other in Mapping.allCases where other != mapping {
      let place = place(of: other, seenFrom: mapping)
      for key in keys(of: other) + (other == .settings ? vendorKeys : []) { places[key, default: []].append(place) }
    }
    for (key, place) in inner[mapping] ?? [:] { places[key] = [place] }
    var clauses = places.mapValues { "it belongs \($0.joined(separator: " or "))" }
    if mapping == .defaults {
      // Not all keys of a route have a default.
      for key in keys(of: .route) { clauses[key] = "it has no default; set it on each route" }
    }
    return clauses
  }

  private static func place(of mapping: Mapping, seenFrom: Mapping) -> String {
    switch mapping {
    case .top: "at the top level"
    case .adapter: seenFrom == .settings ? "beside 'settings'" : "to an adapter"
    case .settings: seenFrom == .adapter ? "under 'settings'" : "under an adapter's 'settings'"
    case .route: "to a route"
    default: "under '\(mapping)'"
    }
  }

  private static func keys(of mapping: Mapping) -> [String] {
    switch mapping {
    case .top:
      words("version listen admin log limits auth store adapters defaults routes stream console telemetry reload")
    case .listen:
      words(
        "address event_loops max_connections max_connections_per_address max_memory max_request_line max_header_size "
          + "max_header_fields max_body_size header_timeout body_timeout send_timeout idle_timeout drain_timeout tls "
          + "proxy_protocol min_body_rate trusted_proxies cors")
    case .admin: ["address"]
    case .log: words("level format access writes")
    case .limits: words("per_subject per_address")
    // Without 'cache', which is far more often meant for a route.
    case .auth: words("keys issuer audience leeway roles_claim revoked")
    case .store: words("type path url schema migrate required")
    case .adapter: words("type settings")
    case .settings: AdapterType.reservedSettings
    // Its keys are those of a route.
    case .defaults: []
    case .route:
      words(
        "method path operation adapter timeout roles write_roles auth max_body_size coalesce cache stale settle batch "
          + "shadow reveal business_errors apps token_life refresh_life")
    case .stream: words("interval max_subscribers max_codes heartbeat")
    case .console: words("enabled path")
    case .telemetry: ["otlp"]
    case .reload: ["watch"]
    }
  }

  /// Keys of a mapping inside of the mapping.
  private static let inner: [Mapping: [String: String]] = [
    .listen: under("tls", "certificate key client_ca client_auth").merging(under("cors", "origins")) { $1 },
    .limits: under("per_subject' or 'per_address", "rate burst"),
    .auth: ["alg", "secret", "file", "kid", "jwks"].reduce(into: [:]) { $0[$1] = "to an entry of 'keys'" },
    .settings: under("budget", "per_minute per_hour per_day").merging(under("queue", "size wait")) { $1 }
      .merging(under("breaker", "failures open_for")) { $1 }
      .merging(under("tls", "ca verify certificate key server_name")) { $1 },
    .route: under("batch", "window max").merging(under("shadow", "sample points tolerance")) { $1 },
    .telemetry: under("otlp", "endpoint service_name sample headers"),
  ]

  private static func under(_ place: String, _ keys: String) -> [String: String] {
    Dictionary(uniqueKeysWithValues: words(keys).map { ($0, "under '\(place)'") })
  }

  private static func words(_ text: String) -> [String] { text.split(separator: " ").map(String.init) }
}
