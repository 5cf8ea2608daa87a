import AdapterAPI

/// One vendor that is built in, as far as the configuration must know it.
struct AdapterType: Sendable {
  /// The word after `type:`.
  let name: String
  /// What it offers; a route to anything else is refused.
  let operations: Set<Operation>
  /// It says how several callers' requests for values become one.
  let isMergeable: Bool
  /// Makes the adapter of that instance name from its settings and throws it away: what is wrong is recorded in
  /// `settings.problems`. Keys that it does not read are unknown keys.
  let validate: @Sendable (_ instance: String, _ settings: Settings) -> Void

  init(
    name: String, operations: Set<Operation>, isMergeable: Bool = false,
    validate: @escaping @Sendable (_ instance: String, _ settings: Settings) -> Void
  ) {
    self.name = name
    self.operations = operations
    self.isMergeable = isMergeable
    self.validate = validate
  }

  /// The settings that the host reads for every adapter; the others are the vendor's own.
  static let reservedSettings = [
    "fallback_urls", "refresh_window", "connect_timeout", "first_byte_timeout", "total_timeout", "max_connections",
    "max_response_head", "max_response_body", "max_in_flight", "queue", "read_retries", "dns_refresh", "tls", "breaker",
    "budget",
  ]

  /// Types that a configuration may name already, though no vendor module stands behind them in this release.
  static let notBuilt = ["home-assistant", "thingsboard", "haystack", "rest", "split", "replay"]
}
