import AdapterAPI

/// `pointgate routes`
enum RoutesCommand {
  static let verb = Verb(
    name: "routes", summary: "prints the route table", argument: "[FILE]", options: [.config, .format],
    details: """
      Prints the route table: method, path, operation, adapter, roles, timeout, and whether identical requests share one
      upstream call. Where a route has a response cache or merges requests, further columns show how.
      """,
    example: "pointgate routes config/demo.yaml"
  ) { arguments throws(Arguments.UsageError) in
    let isJSON = try arguments.isJSON()
    guard let routes = try arguments.configuration()?.configuration.routes else { return 1 }
    if isJSON { Terminal.json { $0.array(of: routes, write) } } else { Terminal.out(Terminal.table(table(of: routes))) }
    return 0
  }

  private static func write(_ writer: inout JSONWriter, _ route: Configuration.Route) {
    writer.object {
      $0.member("method", route.method)
      $0.member("path", route.path)
      $0.member("operation", route.operationName)
      $0.member("adapter", route.adapter)
      $0.member("auth", route.requiresToken ? "jwt" : route.front == nil ? "none" : "apps")
      $0.member("roles", route.roles)
      $0.member("writeRoles", route.writeRoles)
      $0.member("timeoutMs", Int(route.timeout.milliseconds))
      $0.member("coalesce", route.sharesCalls)
      $0.member("cacheMs", Int(route.cache.milliseconds))
      $0.member("staleMs", Int(route.stale.milliseconds))
      $0.key("batch")
      guard let batch = route.batch else { return $0.null() }
      $0.object {
        $0.member("windowMs", Int(batch.window.milliseconds))
        $0.member("max", batch.max)
      }
    }
  }

  private static func table(of routes: [Configuration.Route]) -> [[String]] {
    // A column that would be empty in every row is left out.
    let hasCache = routes.contains { $0.cache > .zero }
    let hasBatch = routes.contains { $0.batch != nil }
    let head =
      ["METHOD", "PATH", "OPERATION", "ADAPTER", "ROLES", "TIMEOUT", "COALESCE"]
      + (hasCache ? ["CACHE", "STALE"] : []) + (hasBatch ? ["BATCH"] : [])
    return [head]
      + routes.map { route in
        let needed = route.isWrite ? route.writeRoles : route.roles
        let anyCaller =
          route.front != nil ? "any listed app" : route.requiresToken ? "any valid token" : "no token needed"
        let roles = needed.isEmpty ? anyCaller : needed.joined(separator: ",")
        return [
          route.method ?? "any", route.path, route.operationName, route.adapter, roles, text(route.timeout),
          route.sharesCalls ? "yes" : "no",
        ] + (hasCache ? [text(route.cache), text(route.stale)] : [])
          + (hasBatch ? [route.batch.map { "\(text($0.window)), \($0.max) codes" } ?? "no"] : [])
      }
  }

  private static func text(_ duration: Duration) -> String {
    duration == .zero ? "no" : "\(duration.milliseconds) ms"
  }
}
