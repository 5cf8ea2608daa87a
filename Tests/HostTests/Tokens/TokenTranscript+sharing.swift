import AdapterAPI

@testable import Host

extension TokenTranscript {
  /// A keeper that found `A1` in a store that others use too, and answers no claim by itself. With one that is over it
  /// has claimed the lease.
  static func sharing(_ sharing: StoreSharing = .network, life: Int64 = 7200) throws -> TokenTranscript {
    var keeper = TokenTranscript(sharing: sharing)
    keeper.grants = false
    keeper.state.start(at: keeper.time)
    keeper.load(try pair(1, life: life))
    _ = keeper.lines()
    return keeper
  }

  /// A pair of the time when the transcript began.
  static func pair(_ n: Int, life: Int64 = 7200, version: Int64 = 1) throws -> StoredPair {
    StoredPair(token: try TokenTranscript().token(n, life: life), version: version)
  }

  /// Lets time pass and answers every look with what the keeper knows already.
  mutating func rest(_ duration: Duration) {
    let end = time.now + duration
    while time.now < end {
      pass(min(.seconds(1), end - time.now))
      if state.storeJob == .load { load(state.base) }
    }
    _ = lines()
  }
}
