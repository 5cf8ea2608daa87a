import Foundation
import TestSupport
import Testing

@Suite("The bench", .blocking)
struct BenchTests {
  private static let tools = ["python3", "cc"].compactMap { name in
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  @Test(.enabled(if: tools.count == 2, "the bench needs Python and a C compiler"))
  func `the installed proxies return the upstream's bytes and refuse invalid tokens`() throws {
    let script = PackageRoot.url.appending(path: "bench/run.py").path
    let command = Command(
      [Self.tools[0], "-B", script, "--check", "--gateway", try GatewayProcess.binary.get()],
      environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? ""])
    #expect(try command.run().contains("the same responses"))
  }
}
