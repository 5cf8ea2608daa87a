import AdapterAPI

/// The steps of `check --live`: each upstream that a route names, then the store.
///
/// Sends one token request and one read to each upstream. The token is its own: the stored pair is not read, so no refresh
/// token is used up. The store is only read. Runs on the first loop of `group`.
struct LiveCheck: Sendable {
  let checked: CheckedConfiguration
  let group: EventLoopGroup
  let log: Log
  private let resolver = Resolver()

  private var loop: EventLoop { group.loops[0] }

  func run() async -> [LiveStep] {
    var steps: [LiveStep] = []
    for wanted in checked.configuration.usedAdapters { steps += await adapter(wanted) }
    steps.append(await store())
    return steps
  }

  // MARK: The store

  private func store() async -> LiveStep {
    let configuration = checked.configuration.store
    if case .memory = configuration.kind {
      return LiveStep(
        subject: "store", name: "schema", outcome: .ok, milliseconds: 0, note: "memory: there is no database to reach")
    }
    let database = StoreFactory.database(configuration, isReadOnly: true)
    let start = Instant(nanoseconds: System.monotonic())
    let result = await CommandLoop.withTimeout(on: loop) { () -> Result<[String], StoreError> in
      do throws(StoreError) {
        let pending = try await database.pendingMigrations()
        try await database.checkRequirements()
        return .success(pending)
      } catch {
        return .failure(error)
      }
    }
    let time = (Instant(nanoseconds: System.monotonic()) - start).milliseconds
    await database.close()
    let (outcome, note) = LiveCheck.verdict(result ?? .failure(CommandLoop.storeTimeout), configuration)
    return LiveStep(subject: "store", name: "schema", outcome: outcome, milliseconds: time, note: note)
  }

  /// Returns what the pending migrations mean for `run`.
  static func verdict(
    _ pending: Result<[String], StoreError>, _ store: Configuration.Store
  ) -> (LiveStep.Outcome, note: String) {
    switch pending {
    case .success([]): return (.ok, "up to date")
    case .success(let steps):
      let list = steps.joined(separator: "; ")
      if !store.migrate {
        return (
          .bad,
          "The schema is older than this version needs (\(list)), and 'store: {migrate: false}' forbids to change it."
        )
      }
      return (.ok, "'run' would do this: \(list)")
    case .failure(let error): return (error.needsOperator ? .bad : .failed, error.message)
    }
  }

  // MARK: An adapter

  private func adapter(_ wanted: Configuration.AdapterInstance) async -> [LiveStep] {
    let subject = "adapter \(wanted.name)"
    let adapterLog = log.forAdapter(wanted.name)
    guard let made = AdapterFactory.make(wanted, checked.loaded, group: group, resolver: resolver, log: adapterLog)
    else { return [] }
    var steps: [LiveStep] = []
    var isReached = true
    for client in made.clients {
      isReached = await connect(client, subject, &steps) && isReached
    }
    await call(made.adapter, subject, isReached: isReached, &steps)
    await made.adapter.shutdown()
    for client in made.clients { client.shutdown() }
    return steps
  }

  private func connect(_ client: UpstreamClient, _ subject: String, _ steps: inout [LiveStep]) async -> Bool {
    let addresses = await measure(subject, "resolve", &steps) { (deadline) throws(AdapterError) in
      let addresses = try await client.addresses(deadline: deadline)
      return (addresses, addresses.prefix(4).map(\.description).joined(separator: ", "))
    }
    guard addresses != nil else {
      steps.append(.skipped(subject, "connect", "the name has no address"))
      return false
    }
    return await measure(subject, "connect", &steps) { (deadline) throws(AdapterError) in
      try await client.connect(deadline: deadline)
      return ((), "")
    } != nil
  }

  private func call(_ adapter: any Adapter, _ subject: String, isReached: Bool, _ steps: inout [LiveStep]) async {
    var token: Token?
    if adapter.usesToken {
      guard isReached else {
        steps.append(.skipped(subject, "token", "there is no connection"))
        return steps.append(.skipped(subject, "read", "there is no token"))
      }
      token = await measure(subject, "token", &steps) { (deadline) throws(AdapterError) in
        let token = try await adapter.refresh(nil, deadline: deadline)
        return (token, "valid for \(TimeSpan.text(token.lifetime))")
      }
      if token == nil { return steps.append(.skipped(subject, "read", "there is no token")) }
    } else if !isReached {
      return steps.append(.skipped(subject, "read", "there is no connection"))
    }
    guard let request = LiveCheck.read(of: type(of: adapter)) else {
      return steps.append(.skipped(subject, "read", "this vendor has no operation that reads without knowing a point"))
    }
    _ = await measure(subject, "read", &steps) { [token] (deadline) throws(AdapterError) in
      let response = try await adapter.perform(request, Call(token: token, deadline: deadline))
      if case .stream(_, let rest) = response.body { rest.cancel() }
      switch response.verdict {
      case .ok: return ((), request.operation.rawValue)
      case .businessError(let code):
        return ((), "\(request.operation.rawValue): reached; the response is an error of the upstream, code \(code)")
      }
    }
  }

  /// A small read that the contract allows with any vendor: of one point that no building has.
  private static func read(of type: any Adapter.Type) -> AdapterRequest? {
    if type.operations.contains(.values) {
      return AdapterRequest(operation: .values, body: Array(#"{"codes":["pointgate-check"]}"#.utf8))
    }
    if type.operations.contains(.alarmConfigs) { return AdapterRequest(operation: .alarmConfigs, body: []) }
    return nil
  }

  /// Runs one step and appends its outcome; returns nil when it failed.
  private func measure<Value: Sendable>(
    _ subject: String, _ name: String, _ steps: inout [LiveStep],
    _ work: @escaping @Sendable (Instant) async throws(AdapterError) -> (Value, note: String)
  ) async -> Value? {
    let start = Instant(nanoseconds: System.monotonic())
    let result = await CommandLoop.withTimeout(on: loop) { () -> Result<(Value, note: String), AdapterError> in
      do throws(AdapterError) {
        return .success(try await work(start + CommandLoop.stepTimeout))
      } catch {
        return .failure(error)
      }
    }
    let time = (Instant(nanoseconds: System.monotonic()) - start).milliseconds
    func step(_ outcome: LiveStep.Outcome, _ note: String) {
      steps.append(LiveStep(subject: subject, name: name, outcome: outcome, milliseconds: time, note: note))
    }
    switch result {
    case .success(let (value, note)):
      step(.ok, note)
      return value
    case .failure(let error):
      step(.failed, error.detail.isEmpty ? error.message : "\(error.message) (\(error.detail))")
    case nil:
      step(.failed, "The step did not end within \(TimeSpan.text(CommandLoop.stepTimeout.milliseconds)).")
    }
    return nil
  }
}
