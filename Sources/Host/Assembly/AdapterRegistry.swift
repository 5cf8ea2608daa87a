import AdapterAPI
import Mock
import WebTalk

/// The vendors that are built in. A new vendor is added to this list and to `Package.swift`, and nowhere else.
enum AdapterRegistry {
  static let types: [any Adapter.Type] = [WebTalk.self, Mock.self]

  /// The type whose only adapter owns a stored token row that names no adapter. EcoCtrl writes such rows.
  static let unnamedTokenRowsOwner = WebTalk.typeName

  static func type(named name: String) -> (any Adapter.Type)? { types.first { $0.typeName == name } }

  /// The vendors in the form that the reader of the configuration needs.
  static let adapterTypes: [AdapterType] = types.map { type in
    AdapterType(
      name: type.typeName, operations: type.operations, settings: type.settings.map(\.key),
      isMergeable: type.merging != nil
    ) { instance, settings in
      let context = AdapterContext(name: instance, clock: NoClock(), log: NoLog()) { _ in NoClient() }
      do throws(ConfigError) { _ = try type.init(settings: settings, context: context) } catch {
        settings.error(error.message)
      }
    }
  }
}

// The context of an adapter that is made to check its settings only. `init` opens nothing, so nothing of it is called.

private struct NoClock: GatewayClock {
  func now() -> Instant { Instant(nanoseconds: System.monotonic()) }
  func wall() -> Int64 { System.wall() }
  func sleep(until deadline: Instant) async throws { throw CancellationError() }
}

private struct NoLog: AdapterLog {
  func log(_ level: LogLevel, _ message: StaticString, _ fields: [(key: StaticString, value: String)]) {}
}

private struct NoClient: HTTPClient {
  func send(_ request: HTTPRequest, deadline: Instant) async throws(AdapterError) -> HTTPResponse {
    throw AdapterError(.unreachable, "The configuration is only being checked.")
  }
}
