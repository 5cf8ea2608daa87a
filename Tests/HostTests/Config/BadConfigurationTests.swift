import AdapterAPI
import Foundation
import Testing

@testable import Host

/// Every file in `bad/` is a wrong configuration. Its first lines list all its problems in order, with position, severity and
/// the beginning of the message: `# expect 14:7 error unknown key 'adaptor'`.
@Suite struct BadConfigurationTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "bad")

  static let files: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".yaml") }
    .sorted()

  @Test func `the folder of wrong configurations is found`() { #expect(Self.files.count >= 20) }

  @Test(arguments: files)
  func `a wrong configuration has exactly the problems that its comments list`(file: String) throws {
    let path = Self.folder.appending(path: file).path
    let loaded = ConfigurationLoader.load(
      path: path, environment: ConfigurationSamples.environment, adapterTypes: ConfigurationSamples.types)
    let expected = loaded.source.filter { $0.hasPrefix("# expect ") }.map { String($0.dropFirst("# expect ".count)) }
    #expect(!expected.isEmpty)
    for (index, line) in loaded.lines.enumerated() {
      let wanted = expected.indices.contains(index) ? expected[index] : "nothing more"
      #expect(line.hasPrefix(wanted), "found \(line), expected \(wanted)")
    }
    #expect(loaded.lines.count == expected.count)
    #expect((loaded.configuration == nil) == (loaded.errorCount > 0))
    #expect(!ProblemPrinter.text(loaded, carets: true).contains("hunter2"))
    #expect(!loaded.json.contains("hunter2"))
  }
}
