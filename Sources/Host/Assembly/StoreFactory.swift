import AdapterAPI

/// Makes the database that the configuration names. Opens nothing.
enum StoreFactory {
  /// - Parameter isReadOnly: For commands that only inspect the store: the file is not created, the schema not migrated.
  static func database(_ store: Configuration.Store, isReadOnly: Bool = false) -> any Database {
    switch store.kind {
    case .memory: SQLiteDatabase.inMemory()
    case .sqlite(let path): SQLiteDatabase(path: path, isReadOnly ? .readOnly : .writable(mayMigrate: store.migrate))
    case .postgres(let url):
      PostgresDatabase(url: url, schema: store.schema, migrate: store.migrate && !isReadOnly)
    }
  }
}
