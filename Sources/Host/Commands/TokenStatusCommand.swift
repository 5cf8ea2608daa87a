import AdapterAPI

/// `pointgate token status`: reads the store, and neither creates, migrates nor writes it.
enum TokenStatusCommand {
  static let verb = Verb(
    name: "token status",
    summary: "prints the upstreams' stored tokens: when they end, which process renewed them last",
    argument: "[FILE]", options: [.config, .format],
    details: """
      Reads the store and prints for each adapter when the upstream's token ends, how old it is, which process renewed it
      last, and a fingerprint; never the token. Writes nothing. With store: {type: memory} there is nothing to read; the
      command says so, and the exit status is 0.
      """,
    example: "pointgate token status -c config/ecoctrl.yaml", run: run)

  private static func run(_ arguments: Arguments) throws(Arguments.UsageError) -> Int32 {
    let isJSON = try arguments.isJSON()
    guard let checked = try arguments.configuration() else { return 1 }
    let store = checked.configuration.store
    if case .memory = store.kind {
      return print(
        note: "The store is memory: tokens are in the running gateway only, and nothing outlives it.", isJSON: isJSON)
    }
    let found = CommandLoop.run { group in
      let adapters = TokenStatusCommand.adapters(checked, group)
      let database = StoreFactory.database(store, isReadOnly: true)
      let found = await read(database, adapters, on: group.loops[0])
      await database.close()
      return found
    }
    switch found {
    case .status(let status):
      if isJSON {
        json(note: nil, status)
      } else if status.entries.isEmpty {
        Terminal.out("No adapter of this configuration uses tokens, and no token is stored.\n")
      } else {
        Terminal.out(status.text)
      }
      return 0
    case .notReady(let pending):
      return print(
        note: "Nothing is stored by this version yet; 'pointgate run' would first do this: "
          + pending.joined(separator: "; ") + ".", isJSON: isJSON)
    case .failed(let error):
      Terminal.error("pointgate: \(error.message)\n")
      return error.needsOperator ? 1 : 3
    }
  }

  /// Prints a note in place of the tokens.
  private static func print(note: String, isJSON: Bool) -> Int32 {
    if isJSON { json(note: note, TokenStatus([], [], now: 0)) } else { Terminal.out(note + "\n") }
    return 0
  }

  private static func json(note: String?, _ status: TokenStatus) {
    Terminal.json { writer in
      writer.object {
        $0.member("note", note)
        $0.member("adapters", arrayOf: status.entries, status.write)
      }
    }
  }

  private enum Found: Sendable {
    case status(TokenStatus)
    /// The schema is missing or older; the pending migrations.
    case notReady([String])
    case failed(StoreError)
  }

  private static func read(
    _ database: any Database, _ adapters: [TokenStatus.Adapter], on loop: EventLoop
  ) async -> Found {
    let found = await CommandLoop.withTimeout(on: loop) { () -> Found in
      do throws(StoreError) {
        let pending = try await database.pendingMigrations()
        guard pending.isEmpty else { return .notReady(pending) }
        let rows = try await Store(database).tokenRows { String(sha256Hex($0.utf8).prefix(8)) }
        return .status(TokenStatus(adapters, rows, now: System.wall()))
      } catch {
        return .failed(error)
      }
    }
    return found ?? .failed(CommandLoop.storeTimeout)
  }

  private static func adapters(_ checked: CheckedConfiguration, _ group: EventLoopGroup) -> [TokenStatus.Adapter] {
    let log = Log(level: .error, format: .text, access: false)
    return checked.configuration.adapters.compactMap { wanted in
      // The adapter is made for its properties only; it opens nothing.
      let made = AdapterFactory.make(
        wanted, checked.loaded, group: group, resolver: Resolver(), log: log.forAdapter(wanted.name))
      guard let adapter = made?.adapter, adapter.usesToken else { return nil }
      return TokenStatus.Adapter(
        name: wanted.name, upstream: "\(adapter.upstream.type) \(adapter.upstream.address)")
    }
  }
}
