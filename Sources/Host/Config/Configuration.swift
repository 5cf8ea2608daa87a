import AdapterAPI

/// The whole configuration, typed and checked. A reload replaces it whole.
struct Configuration: Sendable {
  var listen: Listen
  var admin: Admin
  var log: Log
  var auth: Auth
  var store: Store
  /// In the order of the file.
  var adapters: [AdapterInstance]
  var routes: [Route]
  /// The value of `defaults.adapter`.
  var defaultAdapter: String

  /// A numeric address and a port; port 0 takes a free one.
  struct Address: Sendable, Hashable, CustomStringConvertible {
    var host: String
    var port: UInt16
    var position: SourcePosition
    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    static func == (a: Address, b: Address) -> Bool { a.host == b.host && a.port == b.port }
    func hash(into hasher: inout Hasher) {
      hasher.combine(host)
      hasher.combine(port)
    }
  }

  struct Listen: Sendable {
    var address: Address
    /// Nil: one for each core that this process may use.
    var eventLoops: Int?
    var eventLoopsPosition: SourcePosition
    var maxConnections = 20_000
    /// In bytes, as are the sizes below.
    var maxRequestLine = 8 << 10
    var maxHeaderSize = 16 << 10
    var maxHeaderFields = 100
    var maxBodySize = 1 << 20
    var maxMemory = 256 << 20
    var headerTimeout = Duration.seconds(10)
    var bodyTimeout = Duration.seconds(10)
    var sendTimeout = Duration.seconds(30)
    var idleTimeout = Duration.seconds(60)
    var drainTimeout = Duration.seconds(20)
  }

  struct Admin: Sendable {
    var address: Address
  }

  struct Log: Sendable {
    enum Format: String, Sendable { case auto, text, json }
    var level = LogLevel.info
    var format = Format.auto
    var access = true
    var writes = true
  }

  struct Auth: Sendable {
    var keys: [Key]
    var issuer: String?
    var audience: String?
    var leeway = Duration.seconds(30)
    var rolesClaim = "role"
    /// The number of verified tokens that are cached, over all event loops.
    var cache = 10_000

    enum Algorithm: String, Sendable, CaseIterable { case HS256, HS384, HS512, RS256, PS256, ES256, EdDSA }

    /// The texts of the JWK sets, in the order of the file.
    var keySets: [String] {
      keys.compactMap { if case .keySet(let json, _) = $0.material { json } else { nil } }
    }

    /// A key with its algorithm, or a set of keys that each name their own.
    struct Key: Sendable {
      enum Material: Sendable {
        case secret(Algorithm, Secret, kid: String?)
        /// A public key or certificate in PEM, as read from its file.
        case publicKey(Algorithm, pem: String, kid: String?)
        /// A JWK set (RFC 7517), as read from its file.
        case keySet(json: String, path: String)
      }
      var material: Material
      var position: SourcePosition
    }
  }

  struct Store: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
      case memory
      /// An absolute path; a relative one started from the folder of the configuration.
      case sqlite(path: String)
      case postgres(url: Secret)
    }
    var kind: Kind
    /// The schema of the tables in PostgreSQL.
    var schema = "public"
    /// Whether an old schema is brought up to date. When false, a database with an old schema is refused.
    var migrate = true
    var required = false
    var position: SourcePosition
  }

  struct AdapterInstance: Sendable {
    var name: String
    var type: String
    /// The mapping under `settings:`; empty when absent. The reserved names have been read into `upstream`.
    var settings: ConfigNode
    var upstream: UpstreamLimits
    var position: SourcePosition
  }

  /// The reserved settings that the host reads for every adapter.
  struct UpstreamLimits: Sendable, Equatable {
    var refreshWindow = Duration.seconds(300)
    var connectTimeout = Duration.seconds(2)
    var firstByteTimeout = Duration.seconds(10)
    var totalTimeout = Duration.seconds(30)
    var maxConnections = 64
    var maxResponseHead = 32 << 10
    /// 0: no limit.
    var maxResponseBody = 64 << 20
    var maxInFlight = 64
    var queueSize = 4096
    var queueWait = Duration.seconds(5)
    var readRetries = 1
    var dnsRefresh = Duration.seconds(30)
    var budget = Budget()
  }

  /// The calls that an upstream may receive in any minute, hour or day; 0 is no limit.
  struct Budget: Sendable, Equatable {
    var perMinute = 0
    var perHour = 0
    var perDay = 0

    /// Whether the budget limits nothing.
    var isNone: Bool { perMinute == 0 && perHour == 0 && perDay == 0 }
  }

  /// The merging of different callers' codes into one upstream call.
  struct Batch: Sendable, Hashable {
    /// The time for which the first request waits for further ones.
    var window: Duration
    /// The largest number of codes in one call.
    var max: Int
  }

  struct Route: Sendable {
    enum Target: Sendable, Equatable {
      case operation(Operation)
      case token(masked: Bool)
      /// A resource of the host: everything at and below the path.
      case resource(ResourceKind)
      /// The operations of the contract for programs that speak the upstream's own protocol, below the path.
      case front(Front)
      /// An operation that is known but not implemented yet: stream, adapters, status, openapi.
      case notImplemented(String)
    }
    /// Nil: every method, at and below the path.
    var method: String?
    var path: String
    var target: Target
    var adapter: String
    var timeout: Duration
    /// Empty: any valid token suffices.
    var roles: [String]
    var writeRoles: [String]
    var requiresToken: Bool
    var maxBodySize: Int
    /// The limit of an import into the catalogue, in bytes.
    var maxImportSize: Int
    /// Whether identical reading requests in flight share one upstream call.
    var coalesce = false
    /// The time for which a cached response is fresh; zero: responses are not cached.
    var cache = Duration.zero
    /// The time after that for which the cached response is sent while one request fetches a new one.
    var stale = Duration.zero
    /// The time after a write in which responses are not cached: they may still show the state before it.
    var settle = Duration.seconds(1)
    /// Nil: different callers' codes are not merged.
    var batch: Batch?
    var businessErrors = BusinessErrors.pass
    var position: SourcePosition

    /// The HTTP status of a response with an error of the upstream inside an HTTP 200.
    enum BusinessErrors: String, Sendable, CaseIterable {
      /// The upstream's own status.
      case pass
      /// A status that says that the call failed, for clients that do not read the body.
      case status
    }
  }
}

extension Configuration.Route {
  /// The value of `operation:` in the YAML.
  var operationName: String {
    switch target {
    case .operation(let operation): operation.rawValue
    case .token: "token"
    case .resource(let kind): kind.rawValue
    case .front: Configuration.Front.operation
    case .notImplemented(let name): name
    }
  }

  /// Whether the route is an upstream operation that reads.
  var isRead: Bool { if case .operation(let operation) = target { !operation.isWrite } else { false } }

  /// Whether the route is an upstream operation that writes.
  var isWrite: Bool { if case .operation(let operation) = target { operation.isWrite } else { false } }

  /// Whether the route has calls that read, which identical requests may share.
  var hasReads: Bool { isRead || front != nil }

  /// Whether identical requests share one upstream call. A response cache includes that: a caller that may receive a cached
  /// response may also wait for the call in flight.
  var sharesCalls: Bool { hasReads && (coalesce || cache > .zero) }
}

extension Configuration.Route.Target {
  /// Whether requests of the route go to its adapter.
  var usesAdapter: Bool {
    switch self {
    case .operation, .token, .front: true
    case .resource, .notImplemented: false
    }
  }
}

/// A resource that the host stores and serves itself.
enum ResourceKind: String, Sendable, CaseIterable { case objects, widgets }
