// swift-tools-version: 6.2
import PackageDescription

// The gateway has no package dependencies: the toolchain's own modules, and C libraries of the system through module maps.

/// One vendor = one folder in Sources/Adapters = one module. A new vendor is one line here and one in Assembly/AdapterRegistry.swift.
let vendors = ["WebTalk", "Mock"]

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("ExistentialAny"),
]

/// Exclusivity checks stay on in debug builds, where the tests run; the release build saves about 8 % of its instructions
/// (docs/decisions/0001-engine.md).
let hostSettings = settings + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

func systemModule(_ name: String, _ folder: String, pkgConfig: String? = nil, apt package: String? = nil) -> Target {
  .systemLibrary(
    name: name, path: "Sources/Host/CSystem/\(folder)", pkgConfig: pkgConfig,
    providers: package.map { [.apt([$0])] })
}

let package = Package(
  name: "pointgate",
  products: [.executable(name: "pointgate", targets: ["Host"])],
  dependencies: [],
  targets: [
    .target(name: "CProcess", path: "Sources/Host/CSystem/process"),
    systemModule("CLinux", "linux"),
    systemModule("CLibYAML", "libyaml", pkgConfig: "yaml-0.1", apt: "libyaml-dev"),
    systemModule("CLibPQ", "libpq", apt: "libpq-dev"),
    systemModule("COpenSSL", "openssl", pkgConfig: "libcrypto", apt: "libssl-dev"),
    systemModule("CSQLite", "sqlite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
    .target(name: "AdapterAPI", swiftSettings: settings),
  ]
    + vendors.map {
      .target(name: $0, dependencies: ["AdapterAPI"], path: "Sources/Adapters/\($0)", swiftSettings: settings)
    }
    + [
      .executableTarget(
        name: "Host",
        dependencies: ["AdapterAPI", "CProcess", "CLinux", "CLibYAML", "CLibPQ", "COpenSSL", "CSQLite"]
          + vendors.map { .target(name: $0) },
        exclude: ["CSystem"], swiftSettings: hostSettings),
      .target(
        name: "AdapterTestKit", dependencies: ["AdapterAPI"], path: "Tests/AdapterTestKit", swiftSettings: settings),
      .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
      .testTarget(name: "AdapterAPITests", dependencies: ["AdapterAPI"], swiftSettings: settings),
    ]
    + vendors.map {
      .testTarget(
        name: "\($0)Tests", dependencies: [.target(name: $0), "AdapterAPI", "AdapterTestKit", "TestSupport"],
        swiftSettings: settings)
    }
    + [
      .testTarget(
        name: "HostTests",
        dependencies: ["Host", "AdapterAPI", "AdapterTestKit", "TestSupport", "COpenSSL", "CSQLite", "CLinux"],
        exclude: ["Config/bad", "Config/dotenv-17.json"], swiftSettings: settings),
      // The adapter that README.md shows, and its test.
      .target(name: "Lamp", dependencies: ["AdapterAPI"], path: "Tests/Readme/Lamp", swiftSettings: settings),
      .testTarget(
        name: "LampTests", dependencies: ["Lamp", "AdapterTestKit"], path: "Tests/Readme/LampTests",
        swiftSettings: settings),
      .testTarget(name: "Integration", dependencies: ["TestSupport", "COpenSSL"], swiftSettings: settings),
    ],
  swiftLanguageModes: [.v6]
)
