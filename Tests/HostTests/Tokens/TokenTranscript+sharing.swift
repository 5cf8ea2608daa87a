import AdapterAPI

@testable import Host

extension TokenTranscript {
  /// Returns a keeper that has loaded `A1` from a shared store. Its claims are not granted by themselves. With an expired token it
  /// has claimed the lease.
  static func sharing(_ sharing: StoreSharing = .network, life: Int64 = 7200) throws -> TokenTranscript {
    var keeper = TokenTranscript(sharing: sharing)
    keeper.grants = false
    keeper.state.start(at: keeper.time)
    keeper.load(try pair(1, life: life))
    _ = keeper.lines()
    return keeper
  }

  /// Returns a pair obtained when the transcript began.
  static func pair(_ n: Int, life: Int64 = 7200, version: Int64 = 1) throws -> StoredPair {
    StoredPair(token: try TokenTranscript().token(n, life: life), version: version)
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
