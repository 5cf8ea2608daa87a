/// A vendor's adapter: it knows the wire of one kind of upstream and nothing else. The host owns connections, deadlines, limits,
/// the token's life, the caller's rights and the way of the response.
///
/// To write one:
///
/// 1. Create the folder `Sources/Adapters/<Vendor>`, add its name to `vendors` in `Package.swift`, and the type to
///    `Sources/Host/Assembly/AdapterRegistry.swift`. Import `AdapterAPI` only.
/// 2. Declare a `typeName` (the value of `type:` in YAML), the `operations` it offers, and the `settings` it reads.
/// 3. Read the settings in `init` and open nothing there: a failure in `init` is a mistake in the YAML, a later failure may be
///    retried. `settings` records every problem with its position; throw only what it cannot record.
/// 4. Implement the operations through one of two refinements. **`RawAdapter`**: the upstream speaks the contract itself
///    (`docs/ARCHITECTURE.md`); say which request is sent and what a response means, as `WebTalk` does. Bodies pass byte for
///    byte. **`PointAdapter`**: the upstream speaks another language; work on points and values, as `Mock` does. Decoding,
///    checking and encoding the contract's JSON are done there once for all vendors.
/// 5. If the upstream wants a token, set `usesToken`, obtain a token in `refresh`, put `call.token` into the requests, and throw
///    `.tokenRejected` when the upstream refuses it. The host then refreshes once and repeats once; an adapter does neither.
///    Name the operation in each `HTTPRequest` (`for:`): writes are never sent twice, and they have the highest priority. List
///    in `credentialFields` the response fields that hold credentials.
/// 6. If the upstream can list its points, set `listsObjects` and implement `objects` page by page. The host asks with nil first,
///    then with each page's `next` until there is none, and changes its catalogue only after the last page. A cursor is opaque
///    to the host; refuse with `.badRequest` a cursor that no page can have given. A refused token is `.tokenRejected` here
///    too: the host renews the token and asks for the same page again. An upstream that shows only some of its points, as in
///    alarms, sets `listsAllObjects` to false.
/// 7. Run the conformance kit: `Tests/<Vendor>Tests` with `AdapterTestKit`.
///
/// **Threads.** One instance serves all callers. Every method may run concurrently, on any of the host's event loops. Never
/// block the thread: wait with `await`, sleep with `context.clock`. Mutable state needs a `Mutex`.
///
/// **Cancellation.** When a caller leaves, the host cancels the task of a reading call only; the HTTP client notices that by
/// itself. A writing call (`Operation.isWrite`) always runs to its end, so that an adapter that needs several requests for one
/// write is never stopped between them.
///
/// **Lifetime.** An instance lives from one reload to the next. After `shutdown` no method is called.
///
/// **Errors** are `AdapterError`s: the message is for the caller and names no address, the detail is for the log.
public protocol Adapter: Sendable {
  /// The value of `type:` in YAML: lower-case letters, digits and hyphens.
  static var typeName: String { get }
  /// The operations it offers. The configuration's check refuses a route to any other operation.
  static var operations: Set<Operation> { get }
  /// Whether `objects` is implemented. Otherwise the host never calls it. Default: false.
  static var listsObjects: Bool { get }
  /// Whether `objects` lists everything that the upstream has. Otherwise the host takes an object that is not listed for one that
  /// may still exist, and also offers the codes that callers have read. Default: true.
  static var listsAllObjects: Bool { get }
  /// The rules by which `values` requests of several callers become one request, and by which its response is split.
  /// Default: nil, requests are never merged.
  static var merging: PointMerging? { get }
  /// The vendor's own settings, for `pointgate adapters` and for "did you mean". Default: none.
  static var settings: [SettingDescription] { get }
  /// The names of response fields that hold the upstream's credentials; compared without regard to case. The host never passes
  /// them to a caller. Default: none. (The fields of HTTP authentication and cookies are never passed on either.)
  static var credentialFields: [String] { get }
  /// The origin of the data, as `X-Gateway-Source` reports it. Default: `live`; an adapter without a real upstream names itself.
  static var source: String { get }

  /// Reads the settings and opens nothing.
  ///
  /// - Throws: a `ConfigError` only for a problem that `settings` cannot record.
  init(settings: Settings, context: AdapterContext) throws(ConfigError)

  /// The identity that tokens are bound to: type, base URL and account. A token is never sent to another identity than the one
  /// it came from.
  var upstream: UpstreamIdentity { get }
  /// Whether calls carry a token of the upstream. Default: true.
  var usesToken: Bool { get }

  /// Makes one token exchange with the upstream: refreshes the pair `current`, or authorizes when it is nil.
  ///
  /// The host makes one exchange at a time for each upstream identity.
  ///
  /// - Throws: `.refreshRejected` when the refresh token is no longer valid; the host then calls again with nil. The host treats
  ///   any other error as transient: it keeps the present pair and tries again later.
  func refresh(_ current: Token?, deadline: Instant) async throws(AdapterError) -> Token

  /// Carries out one operation of a caller.
  ///
  /// - Throws: `.tokenRejected` when the upstream refused the token before acting; `.unsupported` for an operation that is not in
  ///   `operations`; `.badRequest` when the body does not say what the operation needs; `.unreachable`, `.timeout`, `.overloaded`
  ///   or `.cancelled` as the HTTP client throws them; `.malformed` when the upstream's response cannot be passed on. After any
  ///   error of a write but `.tokenRejected`, `mayHaveActed` says whether the write may have been carried out.
  func perform(_ request: AdapterRequest, _ call: Call) async throws(AdapterError) -> AdapterResponse

  /// Returns one page of the upstream's points and devices.
  ///
  /// - Parameter cursor: `next` of the page before; nil asks for the first page.
  /// - Throws: `.badRequest` for a cursor that no page gave; else as `perform`.
  func objects(_ cursor: String?, _ call: Call) async throws(AdapterError) -> ObjectPage

  /// Releases what the instance holds. Called once, after the last call has ended. Default: does nothing.
  func shutdown() async
}

extension Adapter {
  public static var source: String { "live" }
  public static var listsObjects: Bool { false }
  public static var listsAllObjects: Bool { true }
  public static var merging: PointMerging? { nil }
  public static var settings: [SettingDescription] { [] }
  public static var credentialFields: [String] { [] }
  public var usesToken: Bool { true }

  public func refresh(_ current: Token?, deadline: Instant) async throws(AdapterError) -> Token {
    throw .unsupported("token")
  }
  public func objects(_ cursor: String?, _ call: Call) async throws(AdapterError) -> ObjectPage {
    throw .unsupported("objects")
  }
  public func shutdown() async {}
}

/// The identity of an upstream that tokens are bound to. The host stores it as `type|address|hash of the account`.
public struct UpstreamIdentity: Sendable, Hashable {
  /// The adapter's `typeName`.
  public let type: String
  /// The base URL, or another text that tells upstreams of one type apart. Not a secret.
  public let address: String
  /// The secret part (an application id, a user name). Only its SHA-256 is ever stored.
  public let account: Secret

  public init(type: String, address: String, account: Secret) {
    self.type = type
    self.address = address
    self.account = account
  }
}

/// One setting of a vendor, as `pointgate adapters` prints it.
public struct SettingDescription: Sendable {
  /// The key under `settings:` in YAML.
  public let key: String
  /// `text`, `secret`, `duration`, `size`, `integer`, `share`, `url` or `flag`.
  public let kind: String
  /// The default as it would be written in YAML; nil when the setting is required.
  public let defaultValue: String?
  /// One line that says what the setting is for.
  public let summary: String

  public init(_ key: String, _ kind: String, default defaultValue: String?, _ summary: String) {
    self.key = key
    self.kind = kind
    self.defaultValue = defaultValue
    self.summary = summary
  }
}
