import AdapterAPI

/// The problems for which an adapter could not be made from its settings.
public struct SettingsRejected: Error, CustomStringConvertible {
  public let messages: [String]
  public var description: String { messages.joined(separator: "; ") }
}

/// Makes adapters from settings, as the host does from YAML.
public enum AdapterMaking {
  /// Returns an adapter made from settings.
  ///
  /// - Parameter settings: Plain texts. A value that starts with `env:` stands for `{env: …}` and is looked up in `environment`.
  /// - Throws: `SettingsRejected` with every problem found, unknown keys included.
  public static func make<A: Adapter>(
    _ type: A.Type, _ settings: [(String, String)], environment: [String: String] = [:],
    clock: any GatewayClock = TestClock(),
    log: any AdapterLog = CollectingLog(), client: any HTTPClient = ScriptedHTTPClient()
  ) throws -> A {
    let position = SourcePosition(line: 1, column: 1)
    let entries = settings.map { key, text in
      ConfigNode.Entry(key: key, keyPosition: position, value: node(text, position))
    }
    let problems = Settings.Problems()
    let resolver = Settings.Resolver(
      environment: { environment[$0] }, file: { _ in .failure(Settings.Resolver.Missing("does not exist")) })
    let reader = Settings(
      ConfigNode(.mapping(entries), at: position), path: "adapters.test.settings", problems: problems,
      resolver: resolver)
    let context = AdapterContext(name: "test", clock: clock, log: log) { _ in client }
    do {
      let adapter = try A(settings: reader, context: context)
      reader.finish()
      guard !problems.hasErrors else { throw SettingsRejected(messages: problems.all.map(\.message)) }
      return adapter
    } catch let error as ConfigError {
      throw SettingsRejected(messages: problems.all.map(\.message) + [error.message])
    }
  }

  private static func node(_ text: String, _ position: SourcePosition) -> ConfigNode {
    guard text.hasPrefix("env:") else { return ConfigNode(.scalar(text, plain: true), at: position) }
    let name = ConfigNode(.scalar(String(text.dropFirst(4)), plain: true), at: position)
    return ConfigNode(.mapping([ConfigNode.Entry(key: "env", keyPosition: position, value: name)]), at: position)
  }
}
