import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct ConfigurationLoaderTests {
  private func configuration(_ text: String = ConfigurationSamples.text) throws -> Configuration {
    let loaded = ConfigurationSamples.load(text)
    #expect(loaded.lines.isEmpty)
    return try #require(loaded.configuration)
  }

  @Test func `a small configuration gets every default`() throws {
    let configuration = try configuration()
    #expect(configuration.listen.address.description == "127.0.0.1:0")
    #expect(configuration.listen.eventLoops == nil)
    #expect(configuration.listen.maxBodySize == 1 << 20)
    #expect(configuration.listen.idleTimeout == .seconds(60))
    #expect(configuration.log.level == .info)
    #expect(configuration.auth.leeway == .seconds(30))
    #expect(configuration.store.kind == .memory)
    #expect(configuration.adapters.map(\.name) == ["main"])
    #expect(configuration.adapters[0].upstream == Configuration.UpstreamLimits())
    #expect(configuration.defaultAdapter == "main")
    #expect(configuration.routes.map(\.target) == [.token(masked: true), .operation(.values)])
    #expect(configuration.routes[1].timeout == .seconds(30))
    #expect(configuration.routes[1].requiresToken)
    #expect(configuration.routes[1].roles.isEmpty)
  }

  @Test func `written values win over the defaults, and a route over the defaults section`() throws {
    let text = """
      version: 1
      listen: {address: "[::1]:8080", event_loops: {env: LOOPS}, max_request_line: 4KiB, drain_timeout: 0s}
      admin: {address: ":9090"}
      log: {level: debug, format: json, access: false}
      auth:
        keys: [{alg: HS256, secret: {env: JWT_SECRET}, kid: k1}]
        issuer: ecoctrl
        audience: pointgate
        leeway: 5s
        roles_claim: roles
        cache: 0
      store: {type: sqlite, path: var/x.db, required: true}
      adapters:
        a:
          type: webtalk
          settings: {base_url: {env: BASE_URL}, app_id: {env: APP_ID}, total_timeout: 3s, queue: {size: 1, wait: 2s},
            max_response_body: 0, refresh_window: 1m, read_retries: 0, max_in_flight: 2, dns_refresh: 5s}
        b: {type: mock, settings: {points: 5}}
      defaults: {adapter: a, timeout: 5s, roles: [viewer]}
      routes:
        - {method: POST, path: /one, operation: force-set}
        - {method: POST, path: /two, operation: values, adapter: b, timeout: 1s, roles: [],
           write_roles: admin, max_body_size: 2KiB}
        - {method: GET, path: /three, operation: token, auth: none, reveal: masked}

      """
    let configuration = try configuration(text)
    #expect(configuration.listen.address.description == "[::1]:8080")
    #expect(configuration.listen.eventLoops == 3)
    #expect(configuration.listen.maxRequestLine == 4096)
    #expect(configuration.listen.drainTimeout == .zero)
    #expect(configuration.admin.address.description == "0.0.0.0:9090")
    #expect(configuration.log.level == .debug && configuration.log.format == .json && !configuration.log.access)
    #expect(
      configuration.auth.issuer == "ecoctrl" && configuration.auth.rolesClaim == "roles"
        && configuration.auth.cache == 0)
    guard case .secret(.HS256, let secret, kid: "k1") = configuration.auth.keys[0].material else {
      Issue.record("no HS256 key")
      return
    }
    #expect(secret.exposed == ConfigurationSamples.environment["JWT_SECRET"])
    #expect(configuration.store.kind == .sqlite(path: "/nowhere/var/x.db"))
    #expect(configuration.store.required)
    let upstream = configuration.adapters[0].upstream
    #expect(upstream.totalTimeout == .seconds(3) && upstream.queueSize == 1 && upstream.queueWait == .seconds(2))
    #expect(upstream.dnsRefresh == .seconds(5))
    #expect(upstream.maxResponseBody == 0 && upstream.refreshWindow == .seconds(60) && upstream.readRetries == 0)
    #expect(configuration.routes[0].roles == ["viewer"] && configuration.routes[0].timeout == .seconds(5))
    #expect(configuration.routes[0].writeRoles == ["viewer"] && configuration.routes[0].maxBodySize == 1 << 20)
    #expect(configuration.routes[1].adapter == "b" && configuration.routes[1].roles.isEmpty)
    #expect(configuration.routes[1].writeRoles == ["admin"] && configuration.routes[1].maxBodySize == 2048)
    #expect(!configuration.routes[2].requiresToken && configuration.routes[2].roles.isEmpty)
    #expect(configuration.adapters[1].position == SourcePosition(line: 18, column: 3))
  }

  @Test func `a configuration in JSON is read like one in YAML`() throws {
    let json = """
      {"version": 1, "listen": {"address": "127.0.0.1:0", "event_loops": 2, "header_timeout": "2s"},
       "admin": {"address": "127.0.0.1:0"}, "log": {"level": "debug", "access": true},
       "auth": {"keys": [{"alg": "HS256", "secret": {"env": "JWT_SECRET"}}], "leeway": "30s"},
       "store": {"type": "memory"},
       "adapters": {"main": {"type": "webtalk", "settings": {"base_url": {"env": "BASE_URL"},
         "app_id": {"env": "APP_ID"},
         "queue": {"size": 64, "wait": "1s"}}}}, "defaults": {"adapter": "main", "timeout": "30s", "roles": []},
       "routes": [{"method": "POST", "path": "/api/iot/codes/values", "operation": "values"}]}
      """
    let configuration = try configuration(json)
    #expect(configuration.listen.eventLoops == 2)
    #expect(configuration.listen.headerTimeout == .seconds(2))
  }

  @Test func `the only adapter is the default when none is named`() throws {
    let loaded = ConfigurationSamples.load(
      ConfigurationSamples.text.replacingOccurrences(of: "defaults:\n  adapter: main\n", with: ""))
    #expect(try #require(loaded.configuration).defaultAdapter == "main")
  }

  @Test func `the settings of an instance can be read again to make its adapter`() throws {
    let loaded = ConfigurationSamples.load(ConfigurationSamples.text)
    let instance = try #require(loaded.configuration).adapters[0]
    let settings = loaded.settings(for: instance)
    #expect(settings.path == "adapters.main.settings")
    #expect(settings.baseURL("base_url").description == "http://127.0.0.1:9/base")
    #expect(settings.secret("app_id").exposed == "app-1")
    settings.finish()
    #expect(settings.problems.all.isEmpty)
  }

  @Test func `a configuration with too many problems ends with one message`() {
    let routes = (0..<5000).map { "  - {nonsense\($0): 1}\n" }.joined()
    let loaded = ConfigurationSamples.load(
      ConfigurationSamples.text.replacingOccurrences(of: "routes:\n", with: "routes:\n" + routes))
    #expect(loaded.problems.count == Settings.Problems.limit + 1)
    #expect(loaded.configuration == nil)
  }

  // Quadratic work over so many entries would not end within the limit.
  @Test(.timeLimit(.minutes(5))) func `a configuration of 1 MiB is read in linear time`() {
    let adapters = (0..<12_000).map { "  a\($0): {type: mock}\n" }.joined()
    let routes = (0..<8000).map { "  - {method: POST, path: /r\($0), operation: values, adapter: a\($0)}\n" }.joined()
    let text =
      ConfigurationSamples.text.replacingOccurrences(of: "adapters:\n", with: "adapters:\n" + adapters) + routes
    #expect(text.utf8.count < YAMLReader.sizeMax)
    #expect(ConfigurationSamples.load(text).configuration?.routes.count == 8002)
  }

  @Test func `a file that cannot be read gives one problem of the whole file, and a missing one the ways to start`() {
    let remedy =
      "does not exist; write one with 'pointgate init demo > gateway.yaml', name another file with -c FILE, or start "
      + "without one: 'pointgate run --demo'"
    for (path, reason) in [("/nowhere/gateway.yaml", remedy), ("/tmp", "is a folder, not a file")] {
      let loaded = ConfigurationLoader.load(path: path, environment: [:], adapterTypes: [])
      #expect(
        ProblemPrinter.text(loaded, carets: true) == "\(path): error: the configuration \(reason)\n1 error\n")
      #expect(loaded.json.contains(#""line":null,"column":null"#))
      #expect(loaded.configuration == nil)
    }
  }

  @Test func `an .env.local that is UTF-16 or a folder is ignored with one warning about the whole file`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pointgate-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "gateway.yaml").path
    try Data(ConfigurationSamples.text.utf8).write(to: URL(filePath: path))
    let file = folder.appending(path: ".env.local")
    func warning() -> [String] {
      let loaded = ConfigurationLoader.load(
        path: path, environment: ConfigurationSamples.environment, adapterTypes: ConfigurationSamples.types)
      return loaded.problems.map { ProblemPrinter.line($0, file: path) }
    }
    try Data([0xFF, 0xFE, 0x41, 0, 0x3D, 0, 0x31, 0]).write(to: file)
    #expect(warning() == ["\(file.path): warning: the file is UTF-16 and is ignored; save it as UTF-8"])
    try FileManager.default.removeItem(at: file)
    try FileManager.default.createDirectory(at: file, withIntermediateDirectories: false)
    #expect(warning() == ["\(file.path): warning: the file is a folder, not a file; it is ignored"])
  }

  @Test func `files and .env.local are read from the configuration's folder, and the process's variables win`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "pointgate-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func write(_ name: String, _ text: String) throws {
      try text.write(to: folder.appending(path: name), atomically: false, encoding: .utf8)
    }
    try write(".env.local", "BASE_URL=http://10.0.0.1:81\nexport APP_ID='from file'\nnonsense\n")
    try write("secret", "fedcba9876543210fedcba9876543210\n")
    try write("idp.pem", "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n")
    try write("private.pem", "-----BEGIN PRIVATE KEY-----\nMFkw\n-----END PRIVATE KEY-----\n")
    try write("keys.json", " {\"keys\": []}")
    let text = ConfigurationSamples.text.replacingOccurrences(
      of: "    - {alg: HS256, secret: {env: JWT_SECRET}}\n",
      with:
        "    - {alg: HS256, secret: {file: secret}}\n    - {alg: ES256, file: idp.pem, kid: a}\n"
        + "    - {jwks: keys.json}\n"
    )
    try write("gateway.yaml", text)
    let path = folder.appending(path: "gateway.yaml").path
    let loaded = ConfigurationLoader.load(
      path: path, environment: ["APP_ID": "from the process"], adapterTypes: ConfigurationSamples.types)
    #expect(
      loaded.problems.map { ProblemPrinter.line($0, file: path) } == [
        "\(folder.path)/.env.local:3:1: warning: this line is not KEY=VALUE and is ignored"
      ])
    let configuration = try #require(loaded.configuration)
    let settings = loaded.settings(for: configuration.adapters[0])
    #expect(settings.baseURL("base_url").description == "http://10.0.0.1:81")
    #expect(settings.secret("app_id").exposed == "from the process")
    let kinds = configuration.auth.keys.map { key in
      switch key.material {
      case .secret(let algorithm, let secret, _): "\(algorithm) \(secret.exposed)"
      case .publicKey(let algorithm, let pem, let kid): "\(algorithm) \(pem.count) \(kid ?? "")"
      case .keySet(_, let path): "set \(path)"
      }
    }
    #expect(kinds == ["HS256 fedcba9876543210fedcba9876543210", "ES256 57 a", "set \(folder.path)/keys.json"])

    try write("gateway.yaml", text.replacingOccurrences(of: "idp.pem", with: "private.pem"))
    let refused = ConfigurationLoader.load(path: path, environment: [:], adapterTypes: ConfigurationSamples.types)
    #expect(refused.problems.contains { $0.message.contains("holds a private key") && $0.severity == .error })
  }
}

@Suite struct ListenAddressTests {
  @Test(
    arguments: [
      ("127.0.0.1:8080", "127.0.0.1", 8080), ("[::1]:0", "::1", 0), ("[FE80::A]:1", "fe80::a", 1),
      (":65535", "0.0.0.0", 65535),
      ("localhost:80", "127.0.0.1", 80),
    ])
  func `a listen address is numeric, or localhost, or empty`(text: String, host: String, port: UInt16) throws {
    let address = try ListenAddress.parse(text).get()
    #expect(address.host == host && address.port == port)
  }

  @Test(
    arguments: [
      "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "127.0.0.1:-1", "example.com:80", "::1:80",
      "[::1]80",
      "[127.0.0.1]:80", "127.0.0:80", "[::1:80", "127.0.0.1:١", "*:80", "256.0.0.1:1", "127.000.000.001:80",
      "127.1:80", "2130706433:80", "0x7f000001:80", "0x7f.1:80", "0177.0.0.1:80", "127.0.0.1.:80",
      "[::ffff:010.0.0.1]:80",
      "[fe80::1%lo]:80", "localhost.:80",
    ])
  func `a listen address of another form is refused`(text: String) {
    #expect(throws: ListenAddress.Mistake.self) { _ = try ListenAddress.parse(text).get() }
  }
}
