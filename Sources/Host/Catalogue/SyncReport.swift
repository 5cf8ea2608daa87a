import AdapterAPI

/// The changes that a sync made, or would make in a dry run.
struct SyncReport: Sendable, Equatable {
  struct Change: Sendable, Equatable {
    let code: String
    let isNew: Bool
    let fields: [String]
  }

  /// The number of changes that are listed; all are counted.
  static let maximumChanges = 1000

  private(set) var created = 0
  private(set) var updated = 0
  var unchanged = 0
  private(set) var changes: [Change] = []
  /// Codes that earlier syncs of this adapter listed and this one did not, in order.
  var missing: [String] = []
  /// The reasons why nothing can be written.
  var problems = FieldProblems()

  mutating func add(_ change: Change) {
    if change.isNew { created += 1 } else { updated += 1 }
    if changes.count < Self.maximumChanges { changes.append(change) }
  }

  /// The report as clients see it. Only a dry run lists the changes.
  func write(to json: inout JSONWriter, isDryRun: Bool) {
    json.object {
      $0.member("created", created)
      $0.member("updated", updated)
      $0.member("unchanged", unchanged)
      $0.member("missing", missing)
      guard isDryRun else { return }
      $0.member("dryRun", true)
      $0.member("changes", arrayOf: changes) { json, change in
        json.object {
          $0.member("code", change.code)
          $0.member("action", change.isNew ? "create" : "update")
          $0.member("fields", change.fields)
        }
      }
    }
  }
}
