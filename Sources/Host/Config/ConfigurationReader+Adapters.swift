import AdapterAPI

// adapters.

/// An adapter instance and the state of its type.
struct ConfiguredAdapter {
  enum Kind {
    case implemented(AdapterType)
    /// An error has been recorded already.
    case unknown
  }
  let instance: Configuration.AdapterInstance
  let kind: Kind
}

extension ConfigurationReader {
  func readAdapters() -> [ConfiguredAdapter] {
    if !root.contains("adapters") {
      root.error("'adapters' is missing; name at least one, for example adapters: {demo: {type: mock}}")
      return []
    }
    let sections = root.namedSections("adapters")
    if sections.isEmpty, !problems.hasErrors { root.error("'adapters' is empty; name at least one", at: "adapters") }
    return sections.compactMap { name, position, section in
      if problems.isFull { return nil }
      if !ConfigurationReader.isName(name) {
        problems.error(
          "the adapter name '\(Spelling.printable(name))' is not valid; use at most 64 letters, digits, '-' and '_'",
          at: position)
      }
      let adapter = readAdapter(name, position, section)
      if case .implemented(let type) = adapter.kind {
        finish(section, .adapter, vendorKeys: type.settings)
      } else {
        finish(section, .adapter)
      }
      return adapter
    }
  }

  /// Warns of reading routes without a cache on an adapter with a budget: they have no response to send once it is used up.
  func checkBudgets(_ adapters: [ConfiguredAdapter], _ routes: [Configuration.Route]) {
    for instance in adapters.map(\.instance) where !instance.upstream.budget.isNone {
      let refusing = routes.filter { $0.adapter == instance.name && $0.hasReads && $0.cache == .zero }.map(\.path)
      guard !refusing.isEmpty else { continue }
      let more = refusing.count > 2 ? " and \(refusing.count - 2) more" : ""
      let settings = ConfigurationLoader.settings(for: instance, problems: .init(), resolver: root.resolver)
      problems.warning(
        "when 'budget' is used up, requests to \(refusing.prefix(2).joined(separator: ", "))\(more) will be refused (503); "
          + "set 'cache' on these routes to send older responses instead", at: settings.position(of: "budget"))
    }
  }

  private func readAdapter(_ name: String, _ position: SourcePosition, _ section: Settings) -> ConfiguredAdapter {
    let type = section.text("type")
    let node = section.node("settings") ?? ConfigNode(.mapping([]), at: section.position)
    let settings = Settings(node, path: "\(section.path).settings", problems: problems, resolver: root.resolver)
    let instance = Configuration.AdapterInstance(
      name: name, type: type, settings: node, upstream: readUpstream(settings), position: position)
    if let built = adapterTypes.first(where: { $0.name == type }) {
      checkPlain(settings)
      // Where the value is not a mapping, that has been reported, and the adapter's own problems would only repeat it.
      let own = ConfigurationLoader.settings(
        for: instance, problems: isMapping(node) ? problems : .init(), resolver: root.resolver)
      built.validate(name, own)
      finish(own, .settings, vendorKeys: [])
      return ConfiguredAdapter(instance: instance, kind: .implemented(built))
    }
    if AdapterType.notImplemented.contains(type) {
      readFuture(type, settings)
      section.error("the adapter type '\(type)' is not implemented yet; use one of \(typeNames)", at: "type")
      return ConfiguredAdapter(instance: instance, kind: .unknown)
    }
    if !type.isEmpty {
      let hint = Spelling.hint(for: type, among: adapterTypes.map(\.name) + AdapterType.notImplemented)
      section.error(
        "unknown adapter type '\(Spelling.printable(type))'"
          + (hint.isEmpty ? "; must be one of \(typeNames)" : hint), at: "type")
    }
    return ConfiguredAdapter(instance: instance, kind: .unknown)
  }

  private var typeNames: String { adapterTypes.map(\.name).joined(separator: ", ") }

  private func isMapping(_ node: ConfigNode) -> Bool {
    if case .mapping = node.content { true } else { node.isNull }
  }

  /// Refuses an https upstream: calls that are meant to be encrypted must not leave in plain text.
  private func checkPlain(_ settings: Settings) {
    guard settings.contains("base_url") else { return }
    let look = Settings(
      ConfigNode(.mapping(settings.all.filter { $0.key == "base_url" }), at: settings.position), path: settings.path,
      problems: Settings.Problems(), resolver: root.resolver)
    if look.baseURL("base_url").isTLS {
      problems.error(
        "TLS to the upstream is not implemented yet, and calls would be sent in plain text; 'base_url' must be an http:// "
          + "URL for now", at: settings.position(of: "base_url"))
    }
  }

  private func readUpstream(_ settings: Settings) -> Configuration.UpstreamLimits {
    var limits = Configuration.UpstreamLimits()
    limits.refreshWindow = settings.duration("refresh_window", default: limits.refreshWindow, in: .zero...Self.day)
    limits.connectTimeout = timeout(settings, "connect_timeout", limits.connectTimeout)
    limits.firstByteTimeout = timeout(settings, "first_byte_timeout", limits.firstByteTimeout)
    limits.totalTimeout = timeout(settings, "total_timeout", limits.totalTimeout)
    limits.maxConnections = settings.integer("max_connections", default: limits.maxConnections, in: 1...100_000)
    limits.maxResponseHead = settings.size("max_response_head", default: limits.maxResponseHead, in: 64...(1 << 20))
    limits.maxResponseBody = settings.size("max_response_body", default: limits.maxResponseBody, in: 0...(1 << 44))
    limits.maxInFlight = settings.integer("max_in_flight", default: limits.maxInFlight, in: 1...100_000)
    limits.readRetries = settings.integer("read_retries", default: limits.readRetries, in: 0...10)
    limits.dnsRefresh = settings.duration("dns_refresh", default: limits.dnsRefresh, in: .seconds(1)...Self.day)
    if let queue = settings.section("queue", like: "queue: {size: 4096, wait: 5s}") {
      limits.queueSize = queue.integer("size", default: limits.queueSize, in: 0...1_000_000)
      limits.queueWait = queue.duration("wait", default: limits.queueWait, in: .zero...Duration.seconds(3600))
      queue.finish()
    }
    if let budget = settings.section("budget", like: "budget: {per_minute: 600}") {
      limits.budget.perMinute = budget.integer("per_minute", default: 0, in: 0...1_000_000_000)
      limits.budget.perHour = budget.integer("per_hour", default: 0, in: 0...1_000_000_000)
      limits.budget.perDay = budget.integer("per_day", default: 0, in: 0...1_000_000_000)
      budget.finish()
    }
    readReservedNotImplemented(settings)
    return limits
  }

  private func readReservedNotImplemented(_ settings: Settings) {
    _ = settings.baseURLs("fallback_urls")
    notImplemented("fallback_urls", settings)
    if let tls = settings.section("tls") {
      for key in ["ca", "certificate", "key", "server_name"] { _ = tls.optionalText(key) }
      _ = tls.flag("verify", default: true)
      notImplemented("tls", settings)
      tls.finish()
    }
    if let breaker = settings.section("breaker") {
      _ = breaker.integer("failures", default: 5, in: 0...1_000_000_000)
      _ = breaker.duration("open_for", default: .seconds(5), in: Self.shortest...Self.day)
      notImplemented("breaker", settings)
      breaker.finish()
    }
  }

  /// Reads the settings of types that are not implemented, as far as they are fixed.
  private func readFuture(_ type: String, _ settings: Settings) {
    switch type {
    case "home-assistant":
      _ = settings.baseURL("base_url")
      _ = settings.secret("token")
    case "rest":
      _ = settings.text("vendor")
      if let variables = settings.section("vars") {
        variables.all.forEach { _ = variables.optionalText($0.key) }
      }
    case "split":
      if let codes = settings.section("codes") { codes.all.forEach { _ = codes.optionalText($0.key) } }
      _ = settings.text("default")
    case "replay":
      _ = settings.text("cassette")
    default:
      settings.ignore(settings.all.map(\.key))
    }
    settings.finish(knownElsewhere: AdapterType.reservedSettings)
  }

  /// Whether the text can be an adapter's name, as logs, metrics and the store show it.
  static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { $0.isWordByte || $0 == UInt8(ascii: "-") }
  }
}
