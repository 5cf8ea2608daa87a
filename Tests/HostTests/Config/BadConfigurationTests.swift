import AdapterAPI
import Foundation
import Testing

@testable import Host

/// Every file in `bad/` is a wrong configuration; its first lines say what must be found in it, and nothing else:
/// `# expect 14:7 error unknown key 'adaptor'` (place, severity, how the message begins).
@Suite("A folder of wrong configurations")
struct BadConfigurationTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "bad")

  static let files: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".yaml") }
    .sorted()

  @Test func `the folder is there`() { #expect(Self.files.count >= 20) }

  @Test("each one gives exactly the problems that it announces", arguments: files)
  func problems(file: String) throws {
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
