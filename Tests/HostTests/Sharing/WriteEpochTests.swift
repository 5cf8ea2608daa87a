import AdapterAPI
import Testing

@testable import Host

@Suite struct WriteEpochTests {
  private let epoch = WriteEpoch()

  @Test func `current moves when a write starts and when it ends`() {
    let before = epoch.current
    epoch.writeBegins()
    let during = epoch.current
    epoch.writeEnds(at: Shared.at(5))
    #expect(before < during)
    #expect(during < epoch.current)
  }

  @Test func `view before the first write is settled`() {
    let view = epoch.view(settle: 3600 * Shared.second)
    #expect(view.settledFrom <= Instant(nanoseconds: 0))
  }

  @Test func `view is not settled during a write, and is settled from its end plus settle on`() {
    epoch.writeBegins()
    #expect(epoch.view(settle: 0).settledFrom == .distantFuture)
    epoch.writeBegins()
    epoch.writeEnds(at: Shared.at(5))
    #expect(epoch.view(settle: 0).settledFrom == .distantFuture, "the other write is still in progress")
    epoch.writeEnds(at: Shared.at(7))
    #expect(epoch.view(settle: 2 * Shared.second).settledFrom == Shared.at(9))
    #expect(epoch.view(settle: 0).settledFrom == Shared.at(7))
  }

  @Test func `view uses the later of two ends, in any order of the calls`() {
    epoch.writeBegins()
    epoch.writeBegins()
    epoch.writeEnds(at: Shared.at(7))
    epoch.writeEnds(at: Shared.at(5))
    #expect(epoch.view(settle: 0).settledFrom == Shared.at(7))
  }

  @Test func `view with the largest settle is never settled after a write`() {
    epoch.writeBegins()
    epoch.writeEnds(at: Shared.at(7))
    #expect(epoch.view(settle: .max).settledFrom == .distantFuture)
  }
}
