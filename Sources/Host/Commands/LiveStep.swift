import AdapterAPI

/// One step of `check --live`, and how it ended.
struct LiveStep: Sendable, Equatable {
  enum Outcome: String, Sendable {
    case ok
    /// Not reached, or it did not answer as it must: exit status 3.
    case failed
    /// Reached, and wrong in itself, as a foreign schema: exit status 1.
    case bad
    /// A step that it builds on failed.
    case skipped
  }

  /// `adapter main` or `store`.
  let subject: String
  /// `resolve`, `connect`, `token`, `read`, `schema`.
  let name: String
  let outcome: Outcome
  let milliseconds: Int64
  /// What was found, or what is wrong and what to do.
  let note: String

  /// The columns of a table.
  var row: [String] {
    let time = outcome == .skipped ? "" : "\(milliseconds) ms"
    return [subject, name, outcome == .skipped ? "not tried" : outcome.rawValue, time, note]
  }

  /// Writes the step as a JSON object.
  func write(to writer: inout JSONWriter) {
    writer.object {
      $0.member("subject", subject)
      $0.member("step", name)
      $0.member("outcome", outcome.rawValue)
      $0.member("milliseconds", outcome == .skipped ? nil : Int(milliseconds))
      $0.member("note", note)
    }
  }
}

extension [LiveStep] {
  /// What is wrong in itself comes before what was not reached: it stays wrong when everything is up again.
  var exitStatus: Int32 {
    if contains(where: { $0.outcome == .bad }) { return 1 }
    return contains { $0.outcome == .failed } ? 3 : 0
  }

  /// `6 steps, 1 failed`
  var summary: String {
    let failed = count { $0.outcome == .failed || $0.outcome == .bad }
    let skipped = count { $0.outcome == .skipped }
    return "\(count) step\(count == 1 ? "" : "s"), \(failed == 0 ? "none" : "\(failed)") failed"
      + (skipped == 0 ? "" : ", \(skipped) not tried")
  }
}
