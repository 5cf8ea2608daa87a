import AdapterAPI

// defaults and routes.

/// What holds for a route that says nothing itself.
struct Defaults {
  var adapter: String
  var timeout: Duration
  var roles: [String]
  /// Of the adapter's name.
  var position: SourcePosition
}

/// The adapters by name.
struct AdapterTable {
  /// In the order of the file.
  let names: [String]
  let kinds: [String: ConfiguredAdapter.Kind]

  init(_ adapters: [ConfiguredAdapter]) {
    names = adapters.map(\.instance.name)
    kinds = Dictionary(adapters.map { ($0.instance.name, $0.kind) }, uniquingKeysWith: { first, _ in first })
  }
}

extension ConfigurationReader {
  private static let futureOperations = ["stream", "adapters", "status", "openapi"]
  /// What an import may be long where the configuration says nothing.
  private static let importSize = 64 << 20
  private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

  func readDefaults(_ adapters: [ConfiguredAdapter]) -> Defaults {
    let section = section("defaults")
    var name = adapters.count == 1 ? adapters[0].instance.name : ""
    if section.contains("adapter") {
      name = section.text("adapter")
      checkName(name, AdapterTable(adapters), section)
    } else if adapters.count > 1 {
      section.error("'adapter' is missing in defaults; name the one that routes use when they name none")
    }
    let defaults = Defaults(
      adapter: name, timeout: timeout(section, "timeout", .seconds(30)), roles: section.texts("roles"),
      position: section.position(of: "adapter"))
    section.finish(misplaced: MisplacedKeys.inDefaults)
    return defaults
  }

  func readRoutes(
    _ adapters: [ConfiguredAdapter], _ defaults: Defaults, _ listen: Configuration.Listen
  ) -> [Configuration.Route] {
    if !root.contains("routes") {
      root.error(
        "'routes' is missing; list at least one, like - {method: POST, path: /api/iot/codes/values, operation: values}")
      return []
    }
    var lines: [String: Int] = [:]
    let sections = root.sections("routes")
    if sections.isEmpty, case .sequence? = root.node("routes")?.content {
      root.warning("'routes' is empty: every request will be answered 404", at: "routes")
    }
    let table = AdapterTable(adapters)
    return sections.compactMap { section in
      if problems.isFull { return nil }
      let route = readRoute(section, table, defaults, listen)
      let name = "\(route.method ?? "*") \(route.path)"
      if let line = lines[name], !route.path.isEmpty {
        section.error("\(section.path) has the same method and path as the route in line \(line)", at: "path")
      } else {
        lines[name] = route.position.line
      }
      return route
    }
  }

  private func readRoute(
    _ section: Settings, _ adapters: AdapterTable, _ defaults: Defaults, _ listen: Configuration.Listen
  ) -> Configuration.Route {
    let target = readTarget(section)
    var adapter = defaults.adapter
    if section.contains("adapter") {
      adapter = section.text("adapter")
      checkName(adapter, adapters, section)
    }
    let method = readMethod(section, target)
    let roles = section.contains("roles") ? section.texts("roles") : defaults.roles
    let writeRoles = section.contains("write_roles") ? section.texts("write_roles") : roles
    let requiresToken = section.choice("auth", ["jwt", "none"], default: "jwt") == "jwt"
    var route = Configuration.Route(
      method: method, path: readPath(section), target: target ?? .notImplemented(""), adapter: adapter,
      timeout: timeout(section, "timeout", defaults.timeout), roles: requiresToken ? roles : [],
      writeRoles: requiresToken ? writeRoles : [], requiresToken: requiresToken,
      maxBodySize: section.size("max_body_size", default: listen.maxBodySize, in: 0...(1 << 40)),
      maxImportSize: section.contains("max_body_size")
        ? section.size("max_body_size", default: ConfigurationReader.importSize, in: 0...(1 << 40))
        : max(listen.maxBodySize, ConfigurationReader.importSize),
      position: section.position)
    checkSafety(route, section)
    if case .operation(let operation)? = target { checkOffer(operation, adapter, adapters, section) }
    readSharing(section, &route)
    readBatch(section, &route, adapters)
    readComparison(section, adapters)
    section.finish(misplaced: MisplacedKeys.inRoute)
    return route
  }

  private func readTarget(_ section: Settings) -> Configuration.Route.Target? {
    let word = section.text("operation")
    let masked = section.choice("reveal", ["full", "masked"], default: "full") == "masked"
    if section.contains("reveal"), word != "token" {
      section.error("'reveal' belongs to operation: token only", at: "reveal")
    }
    if word == "token" { return .token(masked: masked) }
    if let operation = Operation(rawValue: word) { return .operation(operation) }
    if let resource = ResourceKind(rawValue: word) { return .resource(resource) }
    if ConfigurationReader.futureOperations.contains(word) {
      section.warning("'\(word)' is not in force yet", at: "operation")
      return .notImplemented(word)
    }
    if !word.isEmpty {
      let words =
        Operation.allCases.map(\.rawValue) + ["token"] + ResourceKind.allCases.map(\.rawValue)
        + ConfigurationReader.futureOperations
      let hint = Spelling.hint(for: word, among: words)
      let list = hint.isEmpty ? "; known are \(words.joined(separator: ", "))" : hint
      section.error("unknown operation '\(Spelling.printable(word))' in \(section.path)\(list)", at: "operation")
    }
    return nil
  }

  private func readMethod(_ section: Settings, _ target: Configuration.Route.Target?) -> String? {
    guard section.contains("method") else {
      // What reads the building and what changes it hangs on the method that clients and proxies see.
      if let target, target.usesAdapter {
        section.error(
          "'method' is missing in \(section.path); this operation needs one, POST as a rule and GET for token")
      }
      return nil
    }
    let method = section.text("method")
    if method.isEmpty || ConfigurationReader.methods.contains(method) { return method.isEmpty ? nil : method }
    let upper = method.uppercased()
    let hint =
      ConfigurationReader.methods.contains(upper)
      ? "; methods are in upper case: '\(upper)'" : Spelling.hint(for: method, among: ConfigurationReader.methods)
    section.error(
      "'method' in \(section.path) must be one of \(ConfigurationReader.methods.joined(separator: ", ")), "
        + "not '\(Spelling.printable(method))'\(hint)", at: "method")
    return method
  }

  private func readPath(_ section: Settings) -> String {
    let path = section.text("path")
    if path.isEmpty { return "" }
    if let reason = RoutePath.mistake(in: path) {
      section.error("'path' in \(section.path) \(reason)", at: "path")
    }
    return path
  }

  private func checkSafety(_ route: Configuration.Route, _ section: Settings) {
    if !route.requiresToken {
      for key in ["roles", "write_roles"] where section.contains(key) {
        if case .sequence(let items)? = section.node(key)?.content, items.isEmpty { continue }
        section.error("'\(key)' needs a JWT, and auth: none asks for none; remove one of the two", at: key)
      }
    }
    switch route.target {
    case .token(masked: false) where !route.requiresToken:
      section.error(
        "auth: none would show the upstream's token to everyone; remove it, or set reveal: masked", at: "auth")
    case .token(masked: false) where route.roles.isEmpty:
      section.warning(
        "\(section.path) shows the upstream's token to any caller with a valid JWT; set roles or reveal: masked",
        at: "operation")
    case .operation(let operation) where operation.isWrite && !route.requiresToken:
      section.warning("with auth: none everyone who reaches the gateway may write to the building", at: "auth")
    case .resource(let kind) where !route.requiresToken:
      section.warning("with auth: none everyone who reaches the gateway may change the \(kind.rawValue)", at: "auth")
    default: break
    }
  }

  private func checkOffer(
    _ operation: Operation, _ name: String, _ adapters: AdapterTable, _ section: Settings
  ) {
    guard case .built(let type)? = adapters.kinds[name],
      !type.operations.contains(operation)
    else { return }
    let offered = Operation.allCases.filter(type.operations.contains).map(\.rawValue).joined(separator: ", ")
    section.error(
      "adapter '\(name)' (\(type.name)) has no operation '\(operation.rawValue)'; it offers \(offered)", at: "operation"
    )
  }

  private func checkName(_ name: String, _ adapters: AdapterTable, _ section: Settings) {
    if name.isEmpty || adapters.kinds[name] != nil { return }
    let names = adapters.names
    let hint = Spelling.hint(for: name, among: names)
    let list = hint.isEmpty && !names.isEmpty ? "; there are \(names.prefix(10).joined(separator: ", "))" : hint
    section.error("no adapter is named '\(Spelling.printable(name))'\(list)", at: "adapter")
  }

  /// What several reading requests may share: a call that is in flight, and its answer for a while.
  private func readSharing(_ section: Settings, _ route: inout Configuration.Route) {
    route.coalesce = section.flag("coalesce", default: false)
    route.cache = section.duration("cache", default: .zero, in: .zero...Self.day)
    route.stale = section.duration("stale", default: .zero, in: .zero...Self.day)
    route.settle = section.duration("settle", default: .seconds(1), in: .zero...Self.day)
    if route.stale > .zero, route.cache == .zero {
      section.error(
        "'stale' prolongs 'cache', which is off in \(section.path); set cache, or remove stale", at: "stale")
    }
    if route.settle != .seconds(1), !route.sharesCalls {
      section.warning(
        "'settle' does nothing in \(section.path); set it where answers are shared, on the reading routes that have "
          + "'cache' or 'coalesce'", at: "settle")
    }
    guard !route.isRead else { return }
    for (key, isOn) in [("coalesce", route.coalesce), ("cache", route.cache > .zero)] where isOn {
      section.error(
        "'\(key)' is for operations that read (values, history, alarms, alarm-configs); remove it from \(section.path)",
        at: key)
    }
  }

  /// Different callers' codes in one call.
  private func readBatch(_ section: Settings, _ route: inout Configuration.Route, _ adapters: AdapterTable) {
    guard let batch = section.section("batch", like: "batch: {window: 5ms, max: 200}") else { return }
    defer { batch.finish() }
    let policy = Configuration.Batch(
      window: batch.duration("window", in: Self.shortest...Duration.seconds(60)),
      max: batch.integer("max", default: 200, in: 1...1_000_000))
    guard route.target == .operation(.values) else {
      return section.error("'batch' merges requests for values only; remove it from \(section.path)", at: "batch")
    }
    if case .built(let type)? = adapters.kinds[route.adapter], !type.isMergeable {
      section.error(
        "'batch' needs an adapter that says how its answers are cut, and '\(route.adapter)' (\(type.name)) does not; "
          + "remove 'batch', or name another adapter", at: "batch")
    }
    if policy.window >= route.timeout {
      section.error("the 'window' of 'batch' must be shorter than the route's 'timeout'; 5ms is usual", at: "batch")
    }
    route.batch = policy
  }

  /// A second upstream to compare with.
  private func readComparison(_ section: Settings, _ adapters: AdapterTable) {
    if let shadow = section.section("shadow") {
      checkName(shadow.text("adapter"), adapters, shadow)
      _ = shadow.share("sample", default: 1)
      _ = shadow.optionalText("points")
      _ = shadow.decimal("tolerance", default: 0)
      shadow.finish()
      notInForce("shadow", section)
    }
  }
}

/// The shape of a route's path.
enum RoutePath {
  /// What is wrong with it, as the rest of a sentence; nil when nothing is.
  static func mistake(in path: String) -> String? {
    let bytes = Array(path.utf8)
    if bytes.first != 47 { return "must start with '/'" }
    if bytes.count > 1024 { return "is longer than 1024 bytes" }
    if bytes.contains(63) || bytes.contains(35) { return "must have no query ('?') and no fragment ('#')" }
    if bytes.contains(37) { return "must be written without percent-encoding ('%')" }
    if !bytes.allSatisfy({ $0 > 32 && $0 < 127 && !#"<>"\^`{|}*"#.utf8.contains($0) }) {
      return "has a character that no path may have; use letters, digits and - . _ ~ / : @ ! $ & ' ( ) + , ; ="
    }
    let segments = bytes.dropFirst().split(separator: 47, omittingEmptySubsequences: false)
    if segments.dropLast().contains(where: \.isEmpty) { return "must not hold '//'" }
    if segments.contains(where: { $0.elementsEqual([46]) || $0.elementsEqual([46, 46]) }) {
      return "must not hold '.' or '..' as a segment"
    }
    return nil
  }
}
