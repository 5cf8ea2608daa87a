import Foundation
import Testing

/// The adapter in README.md is compiled as the module `Lamp`, and its test is run.
@Suite struct ReadmeTests {
  @Test(arguments: ["Lamp/Lamp.swift", "LampTests/LampTests.swift"])
  func `README shows the file as it is compiled`(_ path: String) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let readme = try String(contentsOf: folder.appending(path: "../../README.md"), encoding: .utf8)
    let file = try String(contentsOf: folder.appending(path: path), encoding: .utf8)
    #expect(readme.contains("\n```swift\n\(file)```\n"))
  }
}
