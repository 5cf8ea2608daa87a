import AdapterAPI

/// The reload: the file is read as `check` reads it, and taken whole or not at all.
extension Gateway {
  /// Reads the configuration again and puts it in force. Any error leaves the present one in force.
  func reload() {
    let result = source.load()
    let file = result.loaded.file
    for problem in result.loaded.problems where problem.severity == .warning {
      services.log.warning("the configuration has a problem", ProblemPrinter.logFields(problem, file: file))
    }
    guard let checked = result.checked else { return refuse(result.loaded.errors, file) }
    let unchangeable = unchangeableKeys(checked.configuration)
    guard unchangeable.isEmpty else { return refuse(unchangeable, file) }
    let before = snapshot
    install(checked)
    services.metrics.reloadSucceeded()
    services.health.clear("config")
    services.log.info(
      "the configuration was reloaded",
      [("file", "\(file)"), ("changes", "\(GatewayReport.changes(from: before, to: snapshot))")])
  }

  private func refuse(_ problems: [ConfigError], _ file: String) {
    for problem in problems {
      services.log.error(
        "the new configuration is refused; the previous one stays in force",
        ProblemPrinter.logFields(problem, file: file))
    }
    services.metrics.reloadFailed()
  }

  /// Returns an error for each changed key that only takes effect at the start.
  private func unchangeableKeys(_ new: Configuration) -> [ConfigError] {
    let old = snapshot.configuration
    var problems: [ConfigError] = []
    func check(_ key: String, _ isSame: Bool, at position: SourcePosition) {
      if isSame { return }
      problems.append(ConfigError("'\(key)' can't be changed by a reload; restart the gateway for it", at: position))
    }
    check("listen.address", new.listen.address == old.listen.address, at: new.listen.address.position)
    check("listen.event_loops", new.listen.eventLoops == old.listen.eventLoops, at: new.listen.eventLoopsPosition)
    check("admin.address", new.admin.address == old.admin.address, at: new.admin.address.position)
    var store = new.store
    store.position = old.store.position
    check("store", store == old.store, at: new.store.position)
    return problems
  }
}
