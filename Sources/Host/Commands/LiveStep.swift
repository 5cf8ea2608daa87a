import AdapterAPI

/// One step of `check --live`, and its outcome.
struct LiveStep: Sendable, Equatable {
  enum Outcome: String, Sendable {
    case ok
    /// The service was not reached, or its response was wrong: exit status 3.
    case failed
    /// The service was reached and is not usable, such as a foreign schema: exit status 1.
    case bad
    /// A step that this one needs failed.
    case skipped
  }

  /// `adapter main` or `store`.
  let subject: String
  /// `resolve`, `connect`, `token`, `read`, `schema`.
  let name: String
  let outcome: Outcome
  /// The time that the step took.
  let milliseconds: Int64
  /// The finding, or the problem and its remedy.
  let note: String

  static func skipped(_ subject: String, _ name: String, _ note: String) -> LiveStep {
    LiveStep(subject: subject, name: name, outcome: .skipped, milliseconds: 0, note: note)
  }

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
  /// 1 for a bad step before 3 for a failed one: a bad step stays bad when every service is reached again.
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
