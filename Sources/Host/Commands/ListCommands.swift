import AdapterAPI

/// `pointgate routes` and `pointgate adapters`
enum ListCommands {
  static func routes(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    let isJSON = try arguments.isJSON()
    guard let checked = try Command.configuration(arguments) else { return 1 }
    let routes = checked.configuration.routes
    if isJSON {
      let items = routes.map { route in
        let method = route.method.map(Escaping.quoted) ?? "null"
        let roles = list(route.roles)
        let writeRoles = list(route.writeRoles)
        return
          "{\"method\":\(method),\"path\":\(Escaping.quoted(route.path)),\"operation\":\(Escaping.quoted(route.operationName)),"
          + "\"adapter\":\(Escaping.quoted(route.adapter)),\"auth\":\(Escaping.quoted(route.requiresToken ? "jwt" : "none")),\"roles\":\(roles),"
          + "\"writeRoles\":\(writeRoles),\"timeoutMs\":\(route.timeout.milliseconds),\"coalesce\":\(route.sharesCalls),"
          + "\"cacheMs\":\(route.cache.milliseconds),\"staleMs\":\(route.stale.milliseconds),"
          + "\"batch\":\(batch(route.batch))}"
      }
      Terminal.out("[\(items.joined(separator: ","))]\n")
    } else {
      // What no route has needs no column.
      let keeps = routes.contains { $0.cache > .zero }
      let merges = routes.contains { $0.batch != nil }
      var rows = [["METHOD", "PATH", "OPERATION", "ADAPTER", "ROLES", "TIMEOUT", "COALESCE"]]
      if keeps { rows[0] += ["CACHE", "STALE"] }
      if merges { rows[0].append("BATCH") }
      for route in routes {
        let needed = route.isWrite ? route.writeRoles : route.roles
        let roles =
          !route.requiresToken ? "no token needed" : needed.isEmpty ? "any valid token" : needed.joined(separator: ",")
        var row = [
          route.method ?? "any", route.path, route.operationName, route.adapter, roles,
          "\(route.timeout.milliseconds) ms",
          route.sharesCalls ? "yes" : "no",
        ]
        if keeps { row += [span(route.cache), span(route.stale)] }
        if merges { row.append(route.batch.map { "\(span($0.window)), \($0.max) codes" } ?? "no") }
        rows.append(row)
      }
      Terminal.out(Terminal.table(rows))
    }
    return 0
  }

  private static func span(_ duration: Duration) -> String {
    duration == .zero ? "no" : "\(duration.milliseconds) ms"
  }

  private static func batch(_ policy: Configuration.Batch?) -> String {
    policy.map { "{\"windowMs\":\($0.window.milliseconds),\"max\":\($0.max)}" } ?? "null"
  }

  static func adapters(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    if try arguments.isJSON() {
      let items = AdapterRegistry.types.map { type in
        let settings = type.settings.map { setting in
          "{\"key\":\(Escaping.quoted(setting.key)),\"kind\":\(Escaping.quoted(setting.kind)),"
            + "\"default\":\(setting.defaultValue.map(Escaping.quoted) ?? "null"),\"summary\":\(Escaping.quoted(setting.summary))}"
        }
        return "{\"type\":\(Escaping.quoted(type.typeName)),\"operations\":\(list(operations(of: type))),"
          + "\"batch\":\(type.merging != nil),"
          + "\"settings\":[\(settings.joined(separator: ","))]}"
      }
      Terminal.out("[\(items.joined(separator: ","))]\n")
    } else {
      for type in AdapterRegistry.types {
        Terminal.out("\(type.typeName)\n  operations: \(operations(of: type).joined(separator: " "))\n")
        Terminal.out("  batch: \(type.merging == nil ? "no" : "yes")\n")
        let rows = type.settings.map { ["    \($0.key)", $0.kind, $0.defaultValue ?? "required", $0.summary] }
        Terminal.out("  settings:\n" + Terminal.table(rows))
      }
      let reserved = AdapterType.reservedSettings.joined(separator: " ")
      Terminal.out("every adapter also takes:\n  \(reserved)\n  (explained in config/gateway.yaml)\n")
    }
    return 0
  }

  private static func operations(of type: any Adapter.Type) -> [String] {
    Operation.allCases.filter { type.operations.contains($0) }.map(\.rawValue)
  }

  private static func list(_ texts: [String]) -> String { "[\(texts.map(Escaping.quoted).joined(separator: ","))]" }
}
