import AdapterAPI

/// `pointgate token status`: reads the store; makes, migrates and writes nothing.
enum TokenStatusCommand {
  static func run(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    let isJSON = try arguments.isJSON()
    guard let checked = try Command.configuration(arguments) else { return 1 }
    let store = checked.configuration.store
    if case .memory = store.kind {
      return say(
        "The store is memory: tokens live in the running gateway alone, and nothing outlives it.", isJSON: isJSON)
    }
    let found = CommandLoop.run { group in
      let adapters = TokenStatusCommand.adapters(checked, group)
      let database = StoreFactory.database(store, isReadOnly: true)
      let found = await look(database, adapters, on: group.loops[0])
      await database.close()
      return found
    }
    switch found {
    case .status(let status):
      if isJSON {
        Terminal.out("{\"note\":null,\"adapters\":\(status.json)}\n")
      } else if status.entries.isEmpty {
        Terminal.out("No adapter of this configuration uses tokens, and none is stored.\n")
      } else {
        Terminal.out(status.text)
      }
      return 0
    case .notReady(let pending):
      return say(
        "Nothing is stored by this version yet; 'pointgate run' would first do this: "
          + pending.joined(separator: "; ") + ".", isJSON: isJSON)
    case .failed(let error):
      Terminal.error("pointgate: \(error.message)\n")
      return error.needsOperator ? 1 : 3
    }
  }

  private static func say(_ message: String, isJSON: Bool) -> Int32 {
    Terminal.out(isJSON ? "{\"note\":\(Escaping.quoted(message)),\"adapters\":[]}\n" : message + "\n")
    return 0
  }

  private enum Found: Sendable {
    case status(TokenStatus)
    /// The schema is not there, or older.
    case notReady([String])
    case failed(StoreError)
  }

  private static func look(
    _ database: any Database, _ adapters: [TokenStatus.Adapter], on loop: EventLoop
  ) async -> Found {
    let found = await CommandLoop.withPatience(on: loop) { () -> Found in
      do throws(StoreError) {
        let pending = try await database.pendingMigrations()
        guard pending.isEmpty else { return .notReady(pending) }
        return .status(TokenStatus(adapters, try await Store(database).tokenRows(), now: System.wall()))
      } catch {
        return .failed(error)
      }
    }
    return found ?? .failed(CommandLoop.storeTimeout)
  }

  private static func adapters(_ checked: CheckedConfiguration, _ group: EventLoopGroup) -> [TokenStatus.Adapter] {
    let log = Log(level: .error, format: .text, access: false)
    return checked.configuration.adapters.compactMap { wanted in
      // Made to be asked whether it uses tokens; opens nothing.
      let made = AdapterFactory.make(
        wanted, checked.loaded, group: group, resolver: Resolver(), log: log.forAdapter(wanted.name))
      guard let adapter = made?.adapter, adapter.usesToken else { return nil }
      return TokenStatus.Adapter(
        name: wanted.name, upstream: "\(adapter.upstream.type) \(adapter.upstream.address)")
    }
  }
}
