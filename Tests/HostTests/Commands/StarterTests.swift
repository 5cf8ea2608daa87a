import Testing

@testable import Host

@Suite struct StarterTests {
  static let environment = [
    "JWT_SECRET": "0123456789abcdef0123456789abcdef", "BASE_URL": "http://127.0.0.1:9/base", "APP_ID": "app-1",
    "DATABASE_URL": "postgres://h/d",
  ]

  @Test(arguments: ["demo", "ecoctrl", "two-vendors"])
  func `each configuration passes check without a warning`(name: String) throws {
    let starter = try #require(Starter.named(name))
    let result = ConfigurationSource(file: name, text: starter.text, environment: Self.environment).load()
    let lines = result.loaded.problems.map { ProblemPrinter.line($0, file: name) }
    #expect(result.checked != nil && lines.isEmpty, "\(lines)")
    #expect(result.loaded.errors.isEmpty)
  }

  @Test func `demo and ecoctrl are the files in config, byte for byte`() throws {
    #expect(try ShippedConfigurationTests.text("demo.yaml") == Starter.demo.text)
    #expect(try ShippedConfigurationTests.text("ecoctrl.yaml") == Starter.ecoctrl.text)
  }

  @Test func `each configuration begins with a comment and has routes for the catalogue and the dashboard`() {
    #expect(Starter.all.map(\.name) == ["demo", "ecoctrl", "two-vendors"])
    for starter in Starter.all {
      #expect(starter.text.hasPrefix("# ") && starter.text.hasSuffix("}\n"), "\(starter.name)")
      #expect(starter.text.contains("operation: objects}") && starter.text.contains("operation: widgets}"))
    }
  }

  @Test func `two-vendors serves the same operation from each vendor under its own path`() throws {
    let source = ConfigurationSource(
      file: "two-vendors", text: Starter.twoVendors.text, environment: Self.environment)
    let checked = try #require(source.load().checked)
    let values = checked.configuration.routes.filter { $0.target == .operation(.values) }
    #expect(values.map(\.adapter) == ["main", "demo"])
  }

  @Test func `ecoctrl uses EcoCtrl's database with a schema of its own`() throws {
    let source = ConfigurationSource(file: "ecoctrl", text: Starter.ecoctrl.text, environment: Self.environment)
    let store = try #require(source.load().checked).configuration.store
    guard case .postgres = store.kind else {
      Issue.record("not PostgreSQL")
      return
    }
    #expect(store.schema == "pointgate" && store.migrate)
  }
}
