import Foundation
import Testing

/// The directions of docs/ARCHITECTURE.md, read from the import lines: the compiler keeps those between modules, this
/// keeps the ones inside the host.
@Suite("Imports go one way")
struct ImportTests {
  struct Import: Sendable {
    /// Below `Sources`, as `Host/Config/YAMLReader.swift`.
    let file: String
    let module: String

    /// `AdapterAPI`, `Adapters/Mock`, `Host/Config`; `Host` for the files beside the rooms.
    var room: String {
      let parts = file.split(separator: "/").dropLast()
      return parts.prefix(2).joined(separator: "/")
    }
  }

  /// The toolchain's modules that any room may use. Full Foundation costs 16 MB at the start, so it is none of them.
  static let toolchain: Set<String> = ["Synchronization", "Glibc", "FoundationEssentials"]

  /// Each C library is spoken to from one room. The kernel's interface is needed by those who own sockets and threads.
  static let owners: [String: Set<String>] = [
    "CLibYAML": ["Host/Config"],
    "COpenSSL": ["Host/Auth"],
    "CSQLite": ["Host/Store"],
    "CLibPQ": ["Host/Store"],
    // Commands: signals and limits of the process.
    "CLinux": ["Host/EventLoop", "Host/HTTP", "Host/Commands"],
  ]

  /// `pointgate version` asks every library for its version.
  static let versionFile = "Host/Commands/VersionCommand.swift"

  static let root: URL = {
    var folder = URL(filePath: #filePath).deletingLastPathComponent()
    while folder.path != "/", !FileManager.default.fileExists(atPath: folder.appending(path: "Package.swift").path) {
      folder.deleteLastPathComponent()
    }
    return folder
  }()

  static let imports: [Import] = swiftFiles(below: "Sources").flatMap { file in
    importedModules(text(of: "Sources/" + file)).map { Import(file: file, module: $0) }
  }

  static let vendors: Set<String> = Set(
    imports.filter { $0.file.hasPrefix("Adapters/") }.compactMap { entry in
      entry.file.split(separator: "/").dropFirst().first.map(String.init)
    })

  @Test("the scan sees the sources")
  func scan() {
    #expect(Self.imports.count > 20)
    #expect(Self.vendors.isSuperset(of: ["WebTalk", "Mock"]))
    #expect(
      Self.importedModules(
        "@preconcurrency import A\nimport struct B.C\n  public import D // x\n// import E\nlet important = 1")
        == ["A", "B", "D"])
  }

  @Test("the vendor's view imports nothing of ours")
  func adapterAPI() {
    for entry in Self.imports where entry.room == "AdapterAPI" {
      #expect(Self.toolchain.contains(entry.module), "\(entry.file) imports \(entry.module)")
    }
  }

  @Test("an adapter imports the vendor's view only")
  func adapters() {
    for entry in Self.imports where entry.file.hasPrefix("Adapters/") {
      #expect(Self.toolchain.union(["AdapterAPI"]).contains(entry.module), "\(entry.file) imports \(entry.module)")
    }
  }

  @Test("the host imports the vendor's view, and C libraries each from its own room")
  func host() {
    for entry in Self.imports where entry.file.hasPrefix("Host/") && entry.file != Self.versionFile {
      if let owners = Self.owners[entry.module] {
        #expect(
          owners.contains(entry.room), "\(entry.file) imports \(entry.module), which belongs to \(owners.sorted())")
      } else if Self.vendors.contains(entry.module) {
        #expect(entry.file == "Host/AdapterRegistry.swift", "\(entry.file) imports the vendor \(entry.module)")
      } else {
        #expect(Self.toolchain.union(["AdapterAPI"]).contains(entry.module), "\(entry.file) imports \(entry.module)")
      }
    }
  }

  @Test("vendors are named in the registry alone")
  func vendorNames() {
    for file in Self.swiftFiles(below: "Sources/Host") where file != "AdapterRegistry.swift" {
      let text = Self.text(of: "Sources/Host/" + file)
      for vendor in Self.vendors {
        #expect(!text.contains("\(vendor)Adapter"), "\(file) names a type of \(vendor)")
      }
    }
  }

  @Test("nothing in the project reaches for a folder beside it")
  func selfContained() throws {
    // Put together, so that this file passes its own test.
    let outside = ["..", "shared"].joined(separator: "/")
    var seen = 0
    for folder in ["Sources", "Tests", "scripts", "config", "docs", "Makefile", "Package.swift"] {
      for file in Self.files(below: folder) {
        guard let text = try? String(contentsOf: Self.root.appending(path: file), encoding: .utf8) else { continue }
        seen += 1
        #expect(!text.contains(outside), "\(file) names \(outside)")
      }
    }
    #expect(seen > 20)
  }

  /// The module that each import line names.
  private static func importedModules(_ text: String) -> [String] {
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
    let before: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
    return text.split(separator: "\n").compactMap { line in
      var words = line.split { $0 == " " || $0 == "\t" }[...]
      words = words.drop { $0.hasPrefix("@") || before.contains($0) }
      guard words.popFirst() == "import" else { return nil }
      if let kind = words.first, kinds.contains(kind) { words.removeFirst() }
      return words.first?.split { $0 == "." || $0 == ";" }.first.map(String.init)
    }
  }

  private static func text(of file: String) -> String {
    (try? String(contentsOf: root.appending(path: file), encoding: .utf8)) ?? ""
  }

  /// Paths below the folder.
  private static func swiftFiles(below folder: String) -> [String] {
    files(below: folder).filter { $0.hasSuffix(".swift") }.map { String($0.dropFirst(folder.count + 1)) }
  }

  /// Paths below the root; the path itself when it is a file.
  private static func files(below path: String) -> [String] {
    let start = root.appending(path: path)
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: start.path, isDirectory: &isFolder) else { return [] }
    guard isFolder.boolValue else { return [path] }
    let names = FileManager.default.enumerator(atPath: start.path)?.compactMap { $0 as? String } ?? []
    return names.sorted().map { path + "/" + $0 }.filter { name in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: root.appending(path: name).path, isDirectory: &isFolder)
        && !isFolder.boolValue
    }
  }
}
