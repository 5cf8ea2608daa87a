import AdapterAPI

/// What a sync did, or would do.
struct SyncReport: Sendable, Equatable {
  struct Change: Sendable, Equatable {
    let code: String
    let isNew: Bool
    let fields: [String]
  }

  /// So many changes are shown at most, all of them are counted.
  static let maximumChanges = 1000

  private(set) var created = 0
  private(set) var updated = 0
  var unchanged = 0
  private(set) var changes: [Change] = []
  /// Codes that this adapter listed once and lists no more, in order.
  var missing: [String] = []
  /// Why nothing can be written.
  var problems = FieldProblems()

  mutating func add(_ change: Change) {
    if change.isNew { created += 1 } else { updated += 1 }
    if changes.count < Self.maximumChanges { changes.append(change) }
  }

  /// As clients see it; a dry run shows the changes too.
  func json(dryRun: Bool) -> [UInt8] {
    var out: [UInt8] = []
    out.append(text: "{\"created\":\(created),\"updated\":\(updated),\"unchanged\":\(unchanged),\"missing\":")
    Self.append(missing, to: &out)
    if dryRun {
      out.append(",\"dryRun\":true,\"changes\":[")
      for (index, change) in changes.enumerated() {
        out.append(index == 0 ? "{\"code\":" : ",{\"code\":")
        Escaping.appendQuoted(change.code, to: &out)
        out.append(change.isNew ? ",\"action\":\"create\",\"fields\":" : ",\"action\":\"update\",\"fields\":")
        Self.append(change.fields, to: &out)
        out.append("}")
      }
      out.append("]")
    }
    out.append("}\n")
    return out
  }

  private static func append(_ texts: [String], to out: inout [UInt8]) {
    out.append("[")
    for (index, text) in texts.enumerated() {
      if index > 0 { out.append(",") }
      Escaping.appendQuoted(text, to: &out)
    }
    out.append("]")
  }
}
