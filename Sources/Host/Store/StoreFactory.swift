/// Makes the database that the configuration names. Opens nothing.
enum StoreFactory {
  /// - Parameter isReadOnly: for a look from outside: nothing is made, migrated or written.
  static func database(_ store: Configuration.Store, isReadOnly: Bool = false) -> any Database {
    switch store.kind {
    case .sqlite(let path):
      SQLiteDatabase(path: path, isReadOnly ? .readOnly : .writable(mayMigrate: true))
    case .memory: SQLiteDatabase.inMemory()
    case .postgres(let url):
      PostgresDatabase(url: url, schema: store.schema, migrate: store.migrate && !isReadOnly)
    }
  }
}
