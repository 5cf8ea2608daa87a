import AdapterAPI
import Testing

@testable import Host

@Suite("The epoch of an upstream's writes")
struct WriteEpochTests {
  @Test func `the number moves when a write starts and when it ends`() {
    let epoch = WriteEpoch()
    let before = epoch.current
    epoch.writeBegins()
    let during = epoch.current
    epoch.writeEnds(at: Shared.at(5))
    #expect(before < during)
    #expect(during < epoch.current)
  }

  @Test func `before the first write everything is settled`() {
    let view = WriteEpoch().view(settle: 3600 * Shared.second)
    #expect(view.settledFrom <= Instant(nanoseconds: 0))
  }

  @Test func `while a write is under way nothing is settled, and afterwards from its end and settle on`() {
    let epoch = WriteEpoch()
    epoch.writeBegins()
    #expect(epoch.view(settle: 0).settledFrom == .distantFuture)
    epoch.writeBegins()
    epoch.writeEnds(at: Shared.at(5))
    #expect(epoch.view(settle: 0).settledFrom == .distantFuture, "the other one is still under way")
    epoch.writeEnds(at: Shared.at(7))
    #expect(epoch.view(settle: 2 * Shared.second).settledFrom == Shared.at(9))
    #expect(epoch.view(settle: 0).settledFrom == Shared.at(7))
  }

  @Test func `the later of two ends counts, whichever is told first`() {
    let epoch = WriteEpoch()
    epoch.writeBegins()
    epoch.writeBegins()
    epoch.writeEnds(at: Shared.at(7))
    epoch.writeEnds(at: Shared.at(5))
    #expect(epoch.view(settle: 0).settledFrom == Shared.at(7))
  }

  @Test func `a settle beyond all bounds is never over`() {
    let epoch = WriteEpoch()
    epoch.writeBegins()
    epoch.writeEnds(at: Shared.at(7))
    #expect(epoch.view(settle: .max).settledFrom == .distantFuture)
  }
}
