import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct ProblemPrinterTests {
  private func loaded(_ source: [String], _ problems: [ConfigError]) -> LoadedConfiguration {
    LoadedConfiguration(
      file: "config/gateway.yaml", configuration: nil, log: Configuration.Log(), problems: problems, source: source,
      resolver: Settings.Resolver(environment: { _ in nil }, file: { _ in .failure(.init("")) }))
  }

  private func at(_ line: Int, _ column: Int, _ message: String = "wrong", _ severity: ConfigError.Severity = .error)
    -> ConfigError
  {
    ConfigError(message, at: SourcePosition(line: line, column: column), severity: severity)
  }

  @Test func `problems are printed as lines in GNU form, and a summary line counts them`() {
    let text = ProblemPrinter.text(
      loaded(["a", "b"], [at(1, 2, "one"), at(2, 1, "two", .warning), at(9, 9, "three")]), carets: false)
    #expect(
      text == """
        config/gateway.yaml:1:2: error: one
        config/gateway.yaml:2:1: warning: two
        config/gateway.yaml:9:9: error: three
        2 errors, 1 warning

        """)
  }

  @Test(
    arguments: [
      (0, 0, "no problems"), (1, 0, "1 error"), (0, 1, "0 errors, 1 warning"), (2, 2, "2 errors, 2 warnings"),
    ])
  func `the summary counts errors and warnings`(errors: Int, warnings: Int, expected: String) {
    let problems =
      Array(repeating: at(1, 1), count: errors) + Array(repeating: at(1, 1, "w", .warning), count: warnings)
    #expect(ProblemPrinter.summary(loaded([], problems)) == expected)
  }

  @Test func `with carets, the source line and a caret follow each problem, without control characters`() {
    let text = ProblemPrinter.text(loaded(["ok: 1", "\tö: wrong\u{1b}[0m"], [at(2, 5)]), carets: true)
    #expect(text == "config/gateway.yaml:2:5: error: wrong\n  \tö: wrong?[0m\n  \t   ^\n1 error\n")
  }

  @Test func `a long line is cut around the caret, and a position beyond the file has no line`() {
    let text = ProblemPrinter.text(
      loaded([String(repeating: "x", count: 100_000)], [at(1, 50_000), at(2, 1), at(1, 999_999)]), carets: true)
    #expect(text.utf8.count < 1000)
    #expect(text.contains("  … xxx"))
  }

  @Test(
    arguments: [
      "    - {alg: HS256, secret: hunter2}", "      app_id: hunter2", "\"token\" : \"hunter2\",",
      "secrt: hunter2, x: y",
      "base_url: http://a:hunter2@b", "DB_PASSWORD: 'hunter2'", "{a: {secret: {env: X}}, api_key: hunter2}",
    ])
  func `a value that may be a secret is not printed`(line: String) {
    for column in [1, 20, 40] {
      #expect(!ProblemPrinter.text(loaded([line], [at(1, column)]), carets: true).contains("hunter2"))
    }
    #expect(SourceExcerpt("secret: {env: X}, bad: 1", column: 19).text.contains("bad: 1"))
  }

  @Test func `problems in JSON have the same data, and hostile text is escaped`() throws {
    let hostile = "a \"b\" \\ \u{1} \u{7f} ö"
    let json = loaded([], [at(3, 4, hostile), at(5, 6, "w", .warning)]).json
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(object["errors"] as? Int == 1 && object["warnings"] as? Int == 1)
    let first = try #require((object["problems"] as? [[String: Any]])?.first)
    #expect(first["message"] as? String == hostile)
    #expect(first["file"] as? String == "config/gateway.yaml")
    #expect(first["line"] as? Int == 3 && first["column"] as? Int == 4)
    #expect(first["severity"] as? String == "error")
  }
}
