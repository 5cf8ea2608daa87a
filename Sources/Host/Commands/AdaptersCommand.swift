import AdapterAPI

/// `pointgate adapters`
enum AdaptersCommand {
  static let verb = Verb(
    name: "adapters", summary: "prints the vendors that are built in, with their settings",
    options: [.format, .unusedConfig],
    details: """
      Prints the vendors that are built in, with their operations and settings, and whether 'batch' can merge their values.
      """,
    example: "pointgate adapters"
  ) { arguments throws(Arguments.UsageError) in
    let types = AdapterRegistry.types
    if try arguments.isJSON() {
      Terminal.json { $0.array(of: types, write) }
    } else {
      let reserved = AdapterType.reservedSettings.joined(separator: " ")
      Terminal.out(
        types.map(text).joined() + "every adapter also takes:\n  \(reserved)\n  (explained in config/gateway.yaml)\n")
    }
    return 0
  }

  private static func write(_ writer: inout JSONWriter, _ type: any Adapter.Type) {
    writer.object {
      $0.member("type", type.typeName)
      $0.member("operations", operations(of: type))
      $0.member("batch", type.merging != nil)
      $0.member("settings", arrayOf: type.settings) { writer, setting in
        writer.object {
          $0.member("key", setting.key)
          $0.member("kind", setting.kind)
          $0.member("default", setting.defaultValue)
          $0.member("summary", setting.summary)
        }
      }
    }
  }

  private static func text(of type: any Adapter.Type) -> String {
    let rows = type.settings.map { ["    \($0.key)", $0.kind, $0.defaultValue ?? "required", $0.summary] }
    return """
      \(type.typeName)
        operations: \(operations(of: type).joined(separator: " "))
        batch: \(type.merging == nil ? "no" : "yes")
        settings:
      \(Terminal.table(rows))
      """
  }

  private static func operations(of type: any Adapter.Type) -> [String] {
    Operation.allCases.filter { type.operations.contains($0) }.map(\.rawValue)
  }
}
