import AdapterAPI

// store.

extension ConfigurationReader {
  func readStore() -> Configuration.Store {
    guard let section = root.section("store") else {
      root.error("'store' is missing; write store: {type: sqlite, path: var/pointgate.db}, or type: postgres or memory")
      return Configuration.Store(kind: .memory, position: root.position)
    }
    let earlier = problems.errorCount
    let type = section.choice("type", ["sqlite", "memory", "postgres"])
    // Without the type it is unknown which of the other keys have an effect.
    let isKnown = problems.errorCount == earlier && !section.isBroken
    let path = section.optionalText("path")
    let url = section.optionalSecret("url")
    var kind = Configuration.Store.Kind.memory
    switch type {
    case "postgres": kind = .postgres(url: readDatabaseURL(url, section))
    case "sqlite": kind = .sqlite(path: databasePath(path ?? "var/pointgate.db", section))
    default: break
    }
    if isKnown, type != "sqlite", section.contains("path") {
      section.warning("'path' has no effect with type: \(type); remove it", at: "path")
    }
    if isKnown, type != "postgres" {
      for key in ["url", "schema"] where section.contains(key) {
        section.warning("'\(key)' has no effect with type: \(type); remove it", at: key)
      }
    }
    if isKnown, type == "memory", section.contains("migrate") {
      section.warning("'migrate' has no effect with type: memory; remove it", at: "migrate")
    }
    let store = Configuration.Store(
      kind: kind, schema: readSchema(section), migrate: section.flag("migrate", default: true),
      required: section.flag("required", default: false), position: section.position)
    finish(section, .store)
    return store
  }

  /// Returns the absolute path of the database, which starts from the folder of the configuration like every path in it. Warns of a
  /// database at the place where earlier versions had it: below the folder that the gateway was started in.
  private func databasePath(_ path: String, _ section: Settings) -> String {
    let current = TextFile.currentDirectory()
    let database = TextFile.join(current, TextFile.join(folder, path))
    let earlier = TextFile.join(current, path)
    if earlier != database, TextFile.exists(earlier), !TextFile.exists(database) {
      section.warning(
        "the store is now the file \(database), below the folder of this configuration, and does not exist; the file "
          + "\(earlier) of an earlier version is not used: move it there with its -wal and -shm files, or write its path",
        at: section.contains("path") ? "path" : nil)
    }
    return database
  }

  /// Reads a connection string of libpq: a URI, or `key=value` pairs
  /// (https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING). No message shows its text.
  private func readDatabaseURL(_ url: Secret?, _ section: Settings) -> Secret {
    guard let url else {
      if !section.contains("url") { section.error("'url' is missing in store; PostgreSQL needs it") }
      return Secret("")
    }
    let text = url.exposed
    if !text.isEmpty, !text.hasPrefix("postgres://"), !text.hasPrefix("postgresql://"), !text.contains("=") {
      section.error("'url' in store is not a database URL; write it like postgres://user@host/name", at: "url")
    } else if let reason = DatabaseHosts.names(in: text).lazy.compactMap({ HostName.mistake(in: $0) }).first {
      section.error("'url' in store \(reason)", at: "url")
    }
    return url
  }

  private func readSchema(_ section: Settings) -> String {
    let schema = section.text("schema", default: "public")
    if !schema.isEmpty, !schema.utf8.allSatisfy(\.isWordByte) || schema.utf8.count > 63 || schema.hasPrefix("pg_") {
      section.error(
        "'schema' in store must be at most 63 letters, digits and '_', and must not begin with pg_", at: "schema")
    }
    return schema
  }
}
