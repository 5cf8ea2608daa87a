/// A vendor. An adapter knows its upstream's wire, and nothing else; connections, deadlines, limits, the token's life, the
/// caller's rights and the answer's way back are the host's.
///
/// To write one:
///
/// 1. Make a folder `Sources/Adapters/<Vendor>`, add its name to `vendors` in `Package.swift`, and the type to
///    `AdapterRegistry.swift`. Import `AdapterAPI` only.
/// 2. Give it a `typeName` (the word after `type:` in YAML), the `operations` it offers, and the `settings` it reads.
/// 3. Read the settings in `init`. Open nothing there: what fails in `init` is the user's YAML, what fails later may be retried.
///    `settings` records every problem with its position; throw only what it can't record.
/// 4. Implement the operations. **Raw**: where the upstream's wire is the contract itself (`docs/ARCHITECTURE.md`), conform
///    to `RawAdapter`, and say which request goes out and what an answer means, as `WebTalk` does; bodies pass byte for byte.
///    **Typed**: where it is another, conform to `PointAdapter`, and speak of points and values; decoding, checking and
///    encoding the contract's JSON are done there, once.
/// 5. If the upstream wants a token, say `usesToken`, obtain one in `refresh`, put `call.token` into your requests, and throw
///    `.tokenRejected` when the upstream refuses it. The host refreshes once and repeats once; never do either yourself.
///    Say with every `HTTPRequest` which operation it is `for`: writes must not be sent twice, and go first in the queue.
/// 6. If the upstream can say which points it has, say `listsObjects` and list them in `objects`, page by page: the host asks
///    with nil first, then with each page's `next` until there is none, and only then changes its catalogue. What a cursor
///    holds is your affair; still, refuse with `.badRequest` one that you can't have given. A token that the upstream refuses
///    is `.tokenRejected` here too: the host renews it and asks for the same page again.
/// 7. Run the conformance kit over it: `Tests/<Vendor>Tests` with `AdapterTestKit`.
///
/// **Threading.** One instance serves all callers; every method may be called concurrently, on any of the host's event loops.
/// Never block the thread: wait with `await`, sleep with `context.clock`. State of your own goes behind a `Mutex`.
///
/// **Cancellation.** When the caller leaves, the task of a reading call is cancelled; the HTTP client notices by itself.
///
/// **Errors** are `AdapterError`s: the sentence is for the caller and names no address, the detail is for the log.
public protocol Adapter: Sendable {
  /// The word after `type:` in YAML.
  static var typeName: String { get }
  /// What it can do. A route to anything else is refused when the configuration is loaded.
  static var operations: Set<Operation> { get }
  /// It can list what it has (`objects`). Where it can't, the host does not ask.
  static var listsObjects: Bool { get }
  /// How several callers' `values` become one call, and its answer theirs. Nil: they never do.
  static var merging: PointMerging? { get }
  /// The vendor's own settings, for `pointgate adapters` and for "did you mean".
  static var settings: [SettingDescription] { get }
  /// Where the answers come from, as `X-Gateway-Source` says it: `live` unless nothing real stands behind them.
  static var source: String { get }

  /// Reads the settings; opens nothing.
  init(settings: Settings, context: AdapterContext) throws(ConfigError)

  /// What the token is bound to: type, base URL and account. A token never goes to another identity than the one it came from.
  var upstream: UpstreamIdentity { get }
  /// Calls carry a token of the upstream's.
  var usesToken: Bool { get }

  /// One exchange with the upstream: renews `current`, or authorizes anew when it is nil.
  ///
  /// - Throws: `.refreshRejected` when the refresh token is dead (the host then calls again with nil); anything else counts as
  ///   transient: the host keeps the old pair and tries again later.
  func refresh(_ current: Token?, deadline: Instant) async throws(AdapterError) -> Token

  func values(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse
  func history(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse
  func set(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse
  func forceSet(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse
  func alarms(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse
  func alarmConfigs(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse

  /// One page of what the upstream has.
  ///
  /// - Parameter cursor: `next` of the page before; nil asks for the first.
  func objects(_ cursor: String?, _ call: Call) async throws(AdapterError) -> ObjectPage

  /// The instance is no longer used; calls in flight have ended.
  func shutdown() async
}

extension Adapter {
  public static var source: String { "live" }
  public static var listsObjects: Bool { false }
  public static var merging: PointMerging? { nil }
  public static var settings: [SettingDescription] { [] }
  public var usesToken: Bool { true }

  public func refresh(_ current: Token?, deadline: Instant) async throws(AdapterError) -> Token {
    throw .unsupported("token")
  }
  public func values(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    throw .unsupported("values")
  }
  public func history(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    throw .unsupported("history")
  }
  public func set(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    throw .unsupported("set")
  }
  public func forceSet(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    throw .unsupported("force-set")
  }
  public func alarms(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    throw .unsupported("alarms")
  }
  public func alarmConfigs(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    throw .unsupported("alarm-configs")
  }
  public func objects(_ cursor: String?, _ call: Call) async throws(AdapterError) -> ObjectPage {
    throw .unsupported("objects")
  }
  public func shutdown() async {}

  /// The one place where an operation becomes a method.
  public func perform(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse {
    switch request.operation {
    case .values: try await values(request, call)
    case .history: try await history(request, call)
    case .set: try await set(request, call)
    case .forceSet: try await forceSet(request, call)
    case .alarms: try await alarms(request, call)
    case .alarmConfigs: try await alarmConfigs(request, call)
    }
  }
}

/// What an upstream is, for binding tokens: the host stores it as `type|address|hash of the account`.
public struct UpstreamIdentity: Sendable, Hashable {
  public let type: String
  public let address: String
  /// The secret part (an application id, a user): only its SHA-256 is ever stored.
  public let account: Secret

  public init(type: String, address: String, account: Secret) {
    self.type = type
    self.address = address
    self.account = account
  }
}

/// One setting of a vendor, as `pointgate adapters` prints it.
public struct SettingDescription: Sendable {
  public let key: String
  /// `text`, `secret`, `duration`, `size`, `integer`, `share`, `url`, `flag`.
  public let kind: String
  /// Nil: required.
  public let defaultValue: String?
  public let summary: String

  public init(_ key: String, _ kind: String, default defaultValue: String?, _ summary: String) {
    self.key = key
    self.kind = kind
    self.defaultValue = defaultValue
    self.summary = summary
  }
}
