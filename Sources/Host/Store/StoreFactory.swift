import AdapterAPI

/// Makes the engine that the configuration names; opens nothing.
enum StoreFactory {
  static func database(_ store: Configuration.Store) -> any Database {
    switch store.kind {
    case .memory, .postgres: SQLiteDatabase.inMemory()
    case .sqlite(let path): SQLiteDatabase(path: path)
    }
  }
}
