import AdapterAPI

/// A vendor that is built in, as far as the configuration must know it.
struct AdapterType: Sendable {
  /// The value of `type:`.
  let name: String
  /// The supported operations; a route to any other is refused.
  let operations: Set<Operation>
  /// The keys of the vendor's own settings.
  let settings: [String]
  /// Whether the vendor can merge several callers' requests for values into one.
  let isMergeable: Bool
  /// Makes an adapter of the instance's name from its settings, and discards it. Problems are recorded in `settings.problems`;
  /// keys that the adapter does not read are unknown keys.
  let validate: @Sendable (_ instance: String, _ settings: Settings) -> Void

  init(
    name: String, operations: Set<Operation>, settings: [String] = [], isMergeable: Bool = false,
    validate: @escaping @Sendable (_ instance: String, _ settings: Settings) -> Void
  ) {
    self.name = name
    self.operations = operations
    self.settings = settings
    self.isMergeable = isMergeable
    self.validate = validate
  }

  /// The settings that the host reads for every adapter; all other keys are the vendor's own.
  static let reservedSettings = [
    "fallback_urls", "refresh_window", "connect_timeout", "first_byte_timeout", "total_timeout", "max_connections",
    "max_response_head", "max_response_body", "max_in_flight", "queue", "read_retries", "dns_refresh", "tls", "breaker",
    "budget",
  ]

  /// Types that a configuration may name, but that are not implemented in this release.
  static let notImplemented = ["home-assistant", "thingsboard", "haystack", "rest", "split", "replay"]
}
