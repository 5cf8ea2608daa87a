import AdapterAPI

/// Makes the engine that the configuration names; opens nothing.
enum StoreFactory {
  /// - Parameter isReadOnly: for a look from outside: nothing is made or migrated.
  static func database(_ store: Configuration.Store, isReadOnly: Bool = false) -> any Database {
    switch store.kind {
    case .memory: SQLiteDatabase.inMemory()
    case .sqlite(let path): SQLiteDatabase(path: path, isReadOnly ? .readOnly : .writable(mayMigrate: store.migrate))
    case .postgres(let url):
      PostgresDatabase(url: url, schema: store.schema, migrate: store.migrate && !isReadOnly)
    }
  }
}
