import AdapterAPI

@testable import Host

/// A valid configuration for tests to change, with its environment.
enum ConfigurationSamples {
  static let environment = [
    "JWT_SECRET": "0123456789abcdef0123456789abcdef", "SHORT": "hunter2", "BASE_URL": "http://127.0.0.1:9/base",
    "APP_ID": "app-1", "TLS_URL": "https://upstream.example", "LOOPS": "3", "DATABASE_URL": "postgres://h/d",
    "OCTAL_DATABASE_URL": "postgres://u:p@010.0.0.1/d", "TRAILING_SPACE": "hunter2-hunter2-hunter2-hunter2-hunter2 ",
    "TRAILING_BREAK": "hunter2-hunter2-hunter2-hunter2-hunter2\r\n",
    "BYTE_ORDER_MARK": "\u{feff}hunter2-hunter2-hunter2-hunter2-hunter2",
    "NOT_UTF8": "hunter2-hunter2-hunter2-hunter2-\u{fffd}",
    "ZERO_WIDTH": "hunter2-hunter2\u{200b}hunter2-hunter2-hunter2",
    "README_SECRET": "a-secret-of-at-least-32-bytes-that-signs-your-users-tokens", "README_APP": "the-application-id",
    "EXAMPLE_SECRET": "<replace-this-with-a-random-string>", "TWO_LINES": "hunter2-hunter2-hunter2-hunter2\nhunter2",
    "ECOCTRL_APP_ID": "app-2", "SPACED": "app 3",
    "LONG_SECRET": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  ]

  static let text = """
    version: 1
    listen:
      address: 127.0.0.1:0
    admin:
      address: 127.0.0.1:0
    auth:
      keys:
        - {alg: HS256, secret: {env: JWT_SECRET}}
    store:
      type: memory
    adapters:
      main:
        type: webtalk
        settings:
          base_url: {env: BASE_URL}
          app_id: {env: APP_ID}
    defaults:
      adapter: main
    routes:
      - {method: GET, path: /api/iot/token, operation: token, reveal: masked}
      - method: POST
        path: /api/iot/codes/values
        operation: values
        adapter: main

    """

  /// Adapter types with the settings of the real ones.
  static let types = [
    AdapterType(
      name: "webtalk", operations: Set(Operation.allCases), settings: ["base_url", "app_id", "time_zone"],
      isMergeable: true
    ) { _, settings in
      _ = settings.baseURL("base_url")
      _ = settings.secret("app_id")
      _ = settings.optionalText("time_zone")
    },
    AdapterType(name: "mock", operations: Set(Operation.allCases), isMergeable: true) { _, settings in
      _ = settings.integer("points", default: 60, in: 1...100_000)
      _ = settings.integer("seed", default: 42)
      _ = settings.duration("latency", default: .zero)
      _ = settings.share("error_rate", default: 0)
      _ = settings.duration("token_life", default: .seconds(7200))
    },
    AdapterType(name: "reader", operations: [.values, .history]) { _, _ in },
  ]

  static func load(_ text: String, folder: String = "/nowhere") -> LoadedConfiguration {
    ConfigurationLoader.load(
      bytes: Array(text.utf8), file: "gateway.yaml", folder: folder, environment: environment, adapterTypes: types)
  }

  static func load(replacing old: String, with new: String) -> LoadedConfiguration {
    let pieces = text.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
    return load(pieces.joined(separator: new))
  }
}

extension LoadedConfiguration {
  var lines: [String] {
    problems.map { "\($0.position.line):\($0.position.column) \($0.severity.rawValue) \($0.message)" }
  }

  var json: String {
    var writer = JSONWriter()
    writer.object { ProblemPrinter.write(self, to: &$0) }
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
