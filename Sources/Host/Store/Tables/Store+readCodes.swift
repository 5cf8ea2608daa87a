/// The codes that were read with good values, for upstreams that can't list their points.
extension Store {
  func readCodes(of upstream: String) async throws(StoreError) -> [String] {
    try await database.transaction(.catalogue, .reading, limit: Self.shortWork) { (session) throws(StoreError) in
      try session.query("SELECT code FROM read_codes WHERE upstream = $1 ORDER BY code", [.text(upstream)])
        .map { $0.text(0) }
    }
  }

  /// Adds codes that are not there yet, up to `limit` for each upstream.
  func addReadCodes(_ codes: [String], of upstream: String, limit: Int) async throws(StoreError) {
    try await database.transaction(.catalogue, .writing, limit: Self.shortWork) { (session) throws(StoreError) in
      let count = try session.query("SELECT count(*) FROM read_codes WHERE upstream = $1", [.text(upstream)])
      let room = limit - Int(count.first?.integer(0) ?? 0)
      for code in codes.prefix(max(0, room)) {
        try session.run(
          "INSERT INTO read_codes (upstream, code) VALUES ($1, $2) ON CONFLICT DO NOTHING",
          [.text(upstream), .text(code)])
      }
    }
  }
}
