import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct LiveStepTests {
  private func step(_ outcome: LiveStep.Outcome) -> LiveStep {
    LiveStep(subject: "adapter main", name: "read", outcome: outcome, milliseconds: 12, note: "a \"note\"")
  }

  @Test func `the exit status is 1 for a bad step, else 3 for a failed one`() {
    #expect([LiveStep]().exitStatus == 0)
    #expect([step(.ok)].exitStatus == 0)
    #expect([step(.ok), step(.failed), step(.skipped)].exitStatus == 3)
    #expect([step(.failed), step(.bad)].exitStatus == 1)
    #expect([step(.skipped)].exitStatus == 0)
  }

  @Test func `the summary counts failed and skipped steps`() {
    #expect([step(.ok)].summary == "1 step, none failed")
    #expect([step(.ok), step(.failed), step(.bad), step(.skipped)].summary == "4 steps, 2 failed, 1 not tried")
  }

  @Test func `a step is written as columns and as JSON`() throws {
    #expect(step(.ok).row == ["adapter main", "read", "ok", "12 ms", "a \"note\""])
    #expect(step(.skipped).row[2...3] == ["not tried", ""])
    var writer = JSONWriter()
    step(.ok).write(to: &writer)
    let json = try #require(JSONSerialization.jsonObject(with: Data(writer.bytes)) as? [String: Any])
    #expect(json["subject"] as? String == "adapter main" && json["step"] as? String == "read")
    #expect(json["outcome"] as? String == "ok" && json["milliseconds"] as? Int == 12)
    #expect(json["note"] as? String == "a \"note\"")
  }

  @Test func `the verdict on the schema depends on pending migrations and on store.migrate`() {
    var store = Configuration.Store(kind: .sqlite(path: "x"), position: SourcePosition(line: 1, column: 1))
    #expect(LiveCheck.verdict(.success([]), store) == (.ok, "up to date"))
    let steps = ["3 objects: creates table objects", "4 widgets: creates table dashboard_widgets"]
    let pending = LiveCheck.verdict(.success(steps), store)
    #expect(pending.0 == .ok && pending.note.contains("creates table objects; 4 widgets"))
    store.migrate = false
    #expect(LiveCheck.verdict(.success(steps), store).0 == .bad)
    store.migrate = true
    store.kind = .postgres(url: Secret("postgres://h/d"))
    #expect(LiveCheck.verdict(.success(steps), store).0 == .ok)
    store.migrate = false
    #expect(LiveCheck.verdict(.success(steps), store).0 == .bad)
    for code in StoreError.Code.allCases {
      let verdict = LiveCheck.verdict(.failure(StoreError(code, "Why.")), store)
      #expect(verdict == (StoreError(code, "").needsOperator ? .bad : .failed, "Why."))
    }
  }

  @Test(.timeLimit(.minutes(1))) func `withTimeout returns nil when its work takes longer`() async {
    let group = EventLoopGroup(count: 1)
    group.start()
    defer { group.stop() }
    let (never, continuation) = AsyncStream.makeStream(of: Void.self)
    let value = await withTaskExecutorPreference(group.loops[0]) {
      await CommandLoop.withTimeout(.milliseconds(20), on: group.loops[0]) { () -> Int in
        for await _ in never {}
        return 1
      }
    }
    continuation.finish()
    #expect(value == nil)
    let quick = await withTaskExecutorPreference(group.loops[0]) {
      await CommandLoop.withTimeout(on: group.loops[0]) { 2 }
    }
    #expect(quick == 2)
  }
}
