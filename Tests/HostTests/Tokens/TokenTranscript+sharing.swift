import AdapterAPI
import Testing

@testable import Host

extension StoredPair {
  /// Returns a pair obtained when a transcript began.
  static func pair(_ n: Int, life: Int64 = 7200, version: Int64 = 1) throws -> StoredPair {
    StoredPair(token: try TokenTranscript().token(n, life: life), version: version)
  }
}

extension TokenTranscript {
  /// Returns a keeper that has loaded `A1` from a shared store that long ago. Its claims are not granted by themselves.
  /// With an expired token it has claimed the lease.
  static func sharing(
    _ sharing: StoreSharing = .network, life: Int64 = 7200, for passed: Duration = .zero
  ) throws -> TokenTranscript {
    var keeper = TokenTranscript.starting(sharing, grants: false)
    keeper.load(try .pair(1, life: life))
    _ = keeper.lines()
    keeper.rest(passed)
    return keeper
  }

  /// Returns a keeper that has claimed the lease with an expired token, and whose first caller waits.
  static func waiting() throws -> TokenTranscript {
    var keeper = try TokenTranscript.sharing(life: -1)
    #expect(keeper.ask() == "wait")
    return keeper
  }

  /// Lets time pass. Every look finds the row unchanged.
  mutating func rest(_ duration: Duration) {
    let end = time.now + duration
    while time.now < end {
      pass(min(.seconds(1), end - time.now))
      if state.work.job == .load { load(state.row.pair) }
    }
    _ = lines()
  }
}
