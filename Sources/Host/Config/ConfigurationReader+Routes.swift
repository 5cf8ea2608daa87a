import AdapterAPI

// defaults and routes.

/// The values of a route that has none of its own.
struct Defaults {
  var adapter: String
  var timeout: Duration
  var roles: [String]
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
  private static let operations =
    Operation.allCases.map(\.rawValue) + ["token"] + ResourceKind.allCases.map(\.rawValue)
    + [Configuration.Front.operation] + futureOperations
  /// The default limit of an import, in bytes.
  private static let importSize = 64 << 20
  private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

  func readDefaults(_ adapters: [ConfiguredAdapter]) -> Defaults {
    let section = section("defaults")
    var name = adapters.count == 1 ? adapters[0].instance.name : ""
    if section.contains("adapter") {
      name = section.text("adapter")
      checkName(name, AdapterTable(adapters), section)
    } else if adapters.count > 1, !section.isBroken {
      section.error("'adapter' is missing in defaults; name the adapter of the routes that name none")
    }
    let defaults = Defaults(
      adapter: name, timeout: timeout(section, "timeout", .seconds(30)), roles: section.texts("roles"))
    finish(section, .defaults)
    return defaults
  }

  func readRoutes(
    _ adapters: [ConfiguredAdapter], _ defaults: Defaults, _ listen: Configuration.Listen
  ) -> [Configuration.Route] {
    if !root.contains("routes") {
      root.error(
        "'routes' is missing; write at least one, like - {method: POST, path: /api/iot/codes/values, operation: values}"
      )
      return []
    }
    var lines: [String: Int] = [:]
    let sections = root.sections("routes")
    if sections.isEmpty, case .sequence? = root.node("routes")?.content {
      root.warning("'routes' is empty, so every request will be refused (404); add a route", at: "routes")
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
    let isFront = if case .front? = target { true } else { false }
    let method = isFront ? nil : readMethod(section, target)
    let roles = section.contains("roles") ? section.texts("roles") : defaults.roles
    let writeRoles = section.contains("write_roles") ? section.texts("write_roles") : roles
    let hasRoles = section.choice("auth", ["jwt", "none"], default: "jwt") == "jwt"
    let requiresToken = hasRoles && !isFront
    // Absent: the limit of the listener for a body, and a larger one for an import.
    let maxBodySize =
      section.contains("max_body_size")
      ? section.size("max_body_size", default: listen.maxBodySize, in: 0...(1 << 40)) : nil
    var route = Configuration.Route(
      method: method, path: readPath(section), target: target ?? .notImplemented(""), adapter: adapter,
      timeout: timeout(section, "timeout", defaults.timeout), roles: hasRoles ? roles : [],
      writeRoles: hasRoles ? writeRoles : [], requiresToken: requiresToken,
      maxBodySize: maxBodySize ?? listen.maxBodySize,
      maxImportSize: maxBodySize ?? max(listen.maxBodySize, ConfigurationReader.importSize),
      position: section.position)
    if case .front(let front)? = target { checkFront(front, route, section) } else { checkSafety(route, section) }
    if case .operation(let operation)? = target { checkOffer(operation, adapter, adapters, section) }
    // Without the operation it is unknown which of these keys fit.
    readSharing(section, &route, isKnown: target != nil)
    readBatch(section, &route, adapters, isKnown: target != nil)
    readBusinessErrors(section, &route)
    readComparison(section, adapters)
    finish(section, .route)
    return route
  }

  private func readTarget(_ section: Settings) -> Configuration.Route.Target? {
    let word = section.text("operation")
    let masked = section.choice("reveal", ["full", "masked"], default: "full") == "masked"
    let isFront = word == Configuration.Front.operation
    let target = isFront ? .front(readFront(section)) : target(named: word)
    if !isFront { refuseFrontKeys(section, isKnown: target != nil) }
    if let target {
      if section.contains("reveal"), word != "token" {
        section.error("'reveal' belongs to operation: token only", at: "reveal")
      }
      if case .notImplemented = target {
        section.warning(
          "'\(word)' is not implemented yet, and requests to its route are refused (501)", at: "operation")
      }
      if case .token = target { return .token(masked: masked) }
      return target
    }
    if !word.isEmpty {
      let words = ConfigurationReader.operations
      let hint = Spelling.hint(for: word, among: words)
      let list = hint.isEmpty ? "; must be one of \(words.joined(separator: ", "))" : hint
      section.error("unknown operation '\(Spelling.printable(word))' in \(section.path)\(list)", at: "operation")
    }
    return nil
  }

  private func target(named word: String) -> Configuration.Route.Target? {
    if word == "token" { return .token(masked: false) }
    if let operation = Operation(rawValue: word) { return .operation(operation) }
    if let resource = ResourceKind(rawValue: word) { return .resource(resource) }
    return ConfigurationReader.futureOperations.contains(word) ? .notImplemented(word) : nil
  }

  private func readMethod(_ section: Settings, _ target: Configuration.Route.Target?) -> String? {
    guard section.contains("method") else {
      // Clients and proxies treat a request as reading or writing by its method, so the method must be explicit.
      if let target, target.usesAdapter {
        section.error(
          "'method' is missing in \(section.path); write method: POST, or GET for operation: token")
      }
      return nil
    }
    let method = section.text("method")
    if method.isEmpty || ConfigurationReader.methods.contains(method) { return method.isEmpty ? nil : method }
    let upper = method.uppercased()
    let hint =
      ConfigurationReader.methods.contains(upper)
      ? "; write it in upper case: '\(upper)'" : Spelling.hint(for: method, among: ConfigurationReader.methods)
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
        section.error("'\(key)' needs a JWT, and auth: none requires none; remove one of the two", at: key)
      }
    }
    switch route.target {
    case .token(masked: false) where !route.requiresToken:
      section.error(
        "auth: none would show the upstream's token to every client; remove it, or set reveal: masked", at: "auth")
    case .token(masked: false) where route.roles.isEmpty:
      section.warning(
        "\(section.path) shows the upstream's token to every caller with a valid JWT; set roles or reveal: masked",
        at: "operation")
    case .operation(let operation) where operation.isWrite && !route.requiresToken:
      section.warning(
        "with auth: none every client that reaches the gateway may write to the building; set auth: jwt", at: "auth")
    case .resource(let kind) where !route.requiresToken:
      section.warning(
        "with auth: none every client that reaches the gateway may change the \(kind.rawValue); set auth: jwt",
        at: "auth")
    default: break
    }
  }

  private func checkOffer(
    _ operation: Operation, _ name: String, _ adapters: AdapterTable, _ section: Settings
  ) {
    guard case .implemented(let type)? = adapters.kinds[name], !type.operations.contains(operation)
    else { return }
    let offered = Operation.allCases.filter(type.operations.contains).map(\.rawValue).joined(separator: ", ")
    section.error(
      "adapter '\(name)' (\(type.name)) has no operation '\(operation.rawValue)'; it has \(offered)", at: "operation"
    )
  }

  private func checkName(_ name: String, _ adapters: AdapterTable, _ section: Settings) {
    // Without any adapter that has been reported.
    if name.isEmpty || adapters.names.isEmpty || adapters.kinds[name] != nil { return }
    let names = adapters.names
    let hint = Spelling.hint(for: name, among: names)
    let list = hint.isEmpty && !names.isEmpty ? "; must be one of \(names.prefix(10).joined(separator: ", "))" : hint
    section.error("no adapter is named '\(Spelling.printable(name))'\(list)", at: "adapter")
  }

  /// Reads how reading requests share upstream calls: the call in flight, and its cached response.
  private func readSharing(_ section: Settings, _ route: inout Configuration.Route, isKnown: Bool) {
    let earlier = problems.errorCount
    route.coalesce = section.flag("coalesce", default: false)
    route.cache = section.duration("cache", default: .zero, in: .zero...Self.day)
    route.stale = section.duration("stale", default: .zero, in: .zero...Self.day)
    route.settle = section.duration("settle", default: .seconds(1), in: .zero...Self.day)
    // A wrong value has been reported, and its default may not fit the other keys.
    guard isKnown, problems.errorCount == earlier else { return }
    if route.stale > .zero, route.cache == .zero {
      section.error(
        "'stale' extends 'cache', which is off in \(section.path); set cache, or remove stale", at: "stale")
    }
    if route.settle != .seconds(1), !route.sharesCalls {
      section.warning(
        "'settle' has no effect in \(section.path); set it on reading routes that have 'cache' or 'coalesce'",
        at: "settle")
    }
    guard !route.hasReads else { return }
    for (key, isOn) in [("coalesce", route.coalesce), ("cache", route.cache > .zero)] where isOn {
      section.error(
        "'\(key)' needs an operation that reads (values, history, alarms, alarm-configs); remove it from \(section.path)",
        at: key)
    }
  }

  /// Reads how different callers' codes are merged into one call.
  private func readBatch(
    _ section: Settings, _ route: inout Configuration.Route, _ adapters: AdapterTable, isKnown: Bool
  ) {
    guard let batch = section.section("batch", like: "batch: {window: 5ms, max: 200}") else { return }
    defer { batch.finish() }
    let policy = Configuration.Batch(
      window: batch.duration("window", in: Self.shortest...Duration.seconds(60)),
      max: batch.integer("max", default: 200, in: 1...1_000_000))
    guard isKnown else { return }
    guard route.target == .operation(.values) || route.front != nil else {
      return section.error("'batch' merges requests for values only; remove it from \(section.path)", at: "batch")
    }
    if case .implemented(let type)? = adapters.kinds[route.adapter], !type.isMergeable {
      section.error(
        "'batch' needs an adapter that can merge requests, and '\(route.adapter)' (\(type.name)) cannot; "
          + "remove 'batch', or name another adapter", at: "batch")
    }
    if policy.window >= route.timeout {
      section.error("the 'window' of 'batch' must be shorter than the route's 'timeout'; 5ms is usual", at: "batch")
    }
    route.batch = policy
  }

  private func readBusinessErrors(_ section: Settings, _ route: inout Configuration.Route) {
    typealias BusinessErrors = Configuration.Route.BusinessErrors
    guard section.contains("business_errors") else { return }
    let word = section.choice("business_errors", BusinessErrors.allCases.map(\.rawValue), default: "pass")
    route.businessErrors = BusinessErrors(rawValue: word) ?? .pass
    if case .operation = route.target { return }
    guard route.front == nil, route.operationName != "" else { return }
    section.error(
      "'business_errors' needs an operation of the upstream; remove it from \(section.path)", at: "business_errors")
  }

  /// Reads the second adapter that responses are compared with.
  private func readComparison(_ section: Settings, _ adapters: AdapterTable) {
    if let shadow = section.section("shadow") {
      checkName(shadow.text("adapter"), adapters, shadow)
      _ = shadow.share("sample", default: 1)
      _ = shadow.optionalText("points")
      _ = shadow.decimal("tolerance", default: 0)
      shadow.finish()
      notImplemented("shadow", section)
    }
  }
}

/// The rules for a route's path.
enum RoutePath {
  /// Returns the rule that the path breaks, as the rest of a sentence; nil when the path is valid.
  static func mistake(in path: String) -> String? {
    let bytes = Array(path.utf8)
    let slash = UInt8(ascii: "/")
    if bytes.first != slash { return "must start with '/'" }
    if bytes.count > 1024 { return "is longer than 1024 bytes" }
    if bytes.contains(UInt8(ascii: "?")) || bytes.contains(UInt8(ascii: "#")) {
      return "must have no query ('?') and no fragment ('#')"
    }
    if bytes.contains(UInt8(ascii: "%")) { return "must be written without percent-encoding ('%')" }
    if !bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !#"<>"\^`{|}*"#.utf8.contains($0) }) {
      return "has a character that is not allowed; use letters, digits and - . _ ~ / : @ ! $ & ' ( ) + , ; ="
    }
    let segments = bytes.dropFirst().split(separator: slash, omittingEmptySubsequences: false)
    if segments.dropLast().contains(where: \.isEmpty) { return "must not contain '//'" }
    if segments.contains(where: { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }) {
      return "must not contain '.' or '..' as a segment"
    }
    return nil
  }
}
