import AdapterAPI
import Foundation
import Testing

@testable import Host

/// The configurations in `config/` are valid, and gateway.yaml explains every key.
@Suite struct ShippedConfigurationTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../config")
    .standardized

  static func text(_ file: String) throws -> String {
    try String(contentsOf: folder.appending(path: file), encoding: .utf8)
  }

  @Test(arguments: [("gateway.yaml", 0), ("demo.yaml", 0), ("ecoctrl.yaml", 0)])
  func `a shipped configuration loads without errors`(file: String, warnings: Int) throws {
    let loaded = ConfigurationSamples.load(try Self.text(file))
    #expect(loaded.configuration != nil)
    #expect(loaded.warningCount == warnings, "\(loaded.lines)")
  }

  /// A commented key follows its `#` directly; prose has a space there.
  private func isKey(_ line: Substring) -> Bool {
    line.drop { $0 == " " }.firstMatch(of: /^#([a-z_]+:|- \{)/) != nil
  }

  private func uncommented(_ line: Substring) -> String {
    guard let hash = line.firstIndex(of: "#") else { return String(line) }
    return String(line[..<hash]) + String(line[line.index(after: hash)...])
  }

  @Test func `every commented key of gateway.yaml is known, alone and together with all the rest`() throws {
    let lines = try Self.text("gateway.yaml").split(separator: "\n", omittingEmptySubsequences: false)
    let keys = lines.indices.filter { isKey(lines[$0]) }
    #expect(keys.count > 70)
    func problems(_ changed: [Int]) -> [String] {
      let text = lines.indices.map { changed.contains($0) ? uncommented(lines[$0]) : String(lines[$0]) }
      return ConfigurationSamples.load(text.joined(separator: "\n")).lines.filter { $0.contains(" error ") }
    }
    // Examples that name a missing file, and keys that are not implemented yet.
    let missing = ["the file keys/idp.pem does not exist", "the file keys/jwks.json does not exist"]
    let expected = missing + ["is not implemented yet"]
    for key in keys {
      let unexpected = problems([key]).filter { problem in !expected.contains { problem.contains($0) } }
      #expect(unexpected.isEmpty, "\(lines[key]): \(unexpected)")
    }
    #expect(problems(keys).filter { !$0.contains("is not implemented yet") }.count == missing.count)
  }

  @Test func `a commented key of gateway.yaml shows its default, unless its comment says example`() throws {
    let lines = try Self.text("gateway.yaml").split(separator: "\n", omittingEmptySubsequences: false)
    // Prose applies to the keys below it, up to the next prose.
    var isExample = false
    var wasProse = false
    var changed: [String] = []
    for line in lines {
      let isProse = line.drop { $0 == " " }.hasPrefix("# ")
      if isProse { isExample = line.localizedCaseInsensitiveContains("example") || (wasProse && isExample) }
      wasProse = isProse
      // The keys of a store that is not SQLite, and routes that are not implemented, give warnings even with their defaults.
      let warns = ["operation:", "#url:", "#schema:"].contains { line.contains($0) }
      changed.append(isKey(line) && !isExample && !warns ? uncommented(line) : String(line))
    }
    let loaded = ConfigurationSamples.load(changed.joined(separator: "\n"))
    #expect(loaded.lines.allSatisfy { $0.contains("is not implemented yet and has no effect") }, "\(loaded.lines)")
    let plain = try #require(ConfigurationSamples.load(try Self.text("gateway.yaml")).configuration)
    let full = try #require(loaded.configuration)
    func facts(_ configuration: Configuration) -> [String] {
      let routes = configuration.routes.map {
        "\($0.method ?? "*") \($0.path) \($0.timeout) \($0.roles) \($0.maxBodySize) \($0.requiresToken) \($0.coalesce)"
      }
      let listen = configuration.listen
      return routes + configuration.adapters.map { "\($0.name) \($0.upstream)" } + [
        "\(listen.maxConnections) \(listen.maxRequestLine) \(listen.maxHeaderSize) \(listen.maxHeaderFields)",
        "\(listen.maxBodySize) \(listen.maxMemory) \(listen.headerTimeout) \(listen.bodyTimeout) \(listen.sendTimeout)",
        "\(listen.idleTimeout) \(listen.drainTimeout) \(String(describing: listen.eventLoops)) \(configuration.log)",
        "\(configuration.auth.leeway) \(configuration.auth.rolesClaim) \(configuration.auth.cache)",
      ]
    }
    #expect(facts(plain) == facts(full))
  }

  @Test(arguments: knownKeys)
  func `every key that the reader knows is explained in gateway.yaml`(section: String, keys: String) throws {
    let text = try Self.text("gateway.yaml")
    for key in keys.split(separator: " ") {
      #expect(text.contains(try Regex("(^|[ #{])\(key):").anchorsMatchLineEndings()), "\(section).\(key)")
    }
  }

  static let knownKeys: [(String, String)] = [
    ("", "version listen admin log limits auth store adapters defaults routes stream console telemetry reload"),
    (
      "listen",
      "address event_loops max_connections max_connections_per_address max_memory max_request_line max_header_size"
    ),
    (
      "listen",
      "max_header_fields max_body_size header_timeout body_timeout send_timeout idle_timeout drain_timeout tls"
    ),
    ("listen", "proxy_protocol min_body_rate trusted_proxies cors origins certificate key client_ca client_auth"),
    ("log", "level format access"), ("limits", "per_subject per_address rate burst"),
    ("auth", "keys alg secret file kid jwks refresh ca issuer audience leeway roles_claim revoked cache"),
    ("store", "type path url schema migrate required"),
    (
      "adapters",
      "type settings fallback_urls refresh_window connect_timeout first_byte_timeout total_timeout max_connections"
    ),
    (
      "adapters",
      "max_response_head max_response_body max_in_flight queue size wait read_retries dns_refresh tls verify"
    ),
    ("adapters", "breaker failures open_for budget per_minute per_hour per_day"),
    (
      "adapters",
      "base_url app_id time_zone points seed latency error_rate token_life vendor vars codes default cassette"
    ),
    ("defaults", "adapter timeout roles"),
    (
      "routes",
      "method path operation adapter timeout roles write_roles auth max_body_size coalesce cache stale settle batch"
    ),
    ("routes", "window max shadow sample points tolerance reveal business_errors apps app_id subject refresh_life"),
    ("later", "interval max_subscribers max_codes heartbeat enabled otlp endpoint service_name headers watch"),
  ]
}
