import AdapterAPI

/// Decides which calls are made for the requests of one batch, and which response each of them gets. No I/O, no clock.
///
/// The first call asks for all codes. If the upstream rejects it, one of the codes may be the reason: halving finds that code, the
/// requests for it make calls of their own and see the upstream's own response, and the codes of the remaining requests are asked for
/// again in one call. So no response is put together from several, and a wrong guess costs calls, never a wrong response. One rejected
/// code among n takes at most log2 n + 2 calls. With several, the search ends after 2·log2 n + 2 calls, made or left to requests; each
/// request without a result then makes a call of its own.
struct BatchPlan {
  /// The outcome of a call.
  enum Outcome {
    /// A good response, whole.
    case good(AdapterResponse, [UInt8])
    /// The upstream rejected the request.
    case rejected(Sharing.CallResult)
    /// A failure that no code can have caused; every request would have got the same.
    case failed(Sharing.CallResult)
    /// A response that can't be looked into.
    case unsplittable
  }

  /// A request's part of the result.
  enum Share: Sendable {
    /// The result that the request would have got alone.
    case whole(Sharing.CallResult)
    /// The request's elements, in a response with this status and these fields.
    case part(BatchSplitter, AdapterResponse)
    /// The request makes a call of its own.
    case ownCall
  }

  private let merging: PointMerging
  private let codes: [PointCode]
  /// For each request, the indices of its codes in `codes`.
  private let requests: [[Int]]
  /// The requests without a share.
  private var waiting: [Int]
  /// The shares that were given out since `takeShares`.
  private var shares: [(request: Int, share: Share)] = []
  /// The calls made, including one for each rejected code that its first request makes itself; and their maximum.
  private var calls = 0
  private let limit: Int

  private enum Phase {
    /// The next call is for all waiting requests.
    case together
    /// The next call asks for these codes, of which one may be rejected.
    case checking([Int])
    /// The next call asks for the first half of these codes, of which one is rejected.
    case halving([Int])
  }
  private var phase = Phase.together
  /// The codes of the call in progress.
  private var part: [Int] = []
  /// The reason why the adapter's responses can't be split, once one was seen; the end of a sentence.
  private(set) var unknownForm: String?
  /// A response has shown that the upstream gives points an order of its own, not the order of the request.
  private(set) var hasOwnOrder: Bool

  /// - Parameters:
  ///   - requests: for each request, in order of arrival, the indices of its codes.
  ///   - hasOwnOrder: the upstream is known to have an order of its own.
  init(_ codes: [PointCode], requests: [[Int]], _ merging: PointMerging, hasOwnOrder: Bool = false) {
    self.hasOwnOrder = hasOwnOrder
    self.codes = codes
    self.requests = requests
    self.merging = merging
    waiting = Array(requests.indices)
    let n = max(codes.count, 1)
    // 2·log2 n, rounded down, is the index of the highest bit of n². No batch has so many codes that n² overflows.
    limit = 2 + (Int.bitWidth - 1 - (n &* n).leadingZeroBitCount)
  }

  /// Returns the shares since the last time.
  mutating func takeShares() -> [(request: Int, share: Share)] {
    defer { shares = [] }
    return shares
  }

  // MARK: the next call

  /// Returns the codes of the next call; nil when every request has its share.
  mutating func nextCall() -> [PointCode]? {
    if case .halving(let suspects) = phase, suspects.count == 1 {
      assign(.ownCall) { $0.contains(suspects[0]) }
      calls += 1
      phase = .together
    }
    // A call for one request is its own.
    guard waiting.count > 1, calls < limit else {
      assign(.ownCall) { _ in true }
      return nil
    }
    calls += 1
    part =
      switch phase {
      case .together: codes.indices.filter(isWanted())
      case .checking(let suspects): suspects
      case .halving(let suspects): Array(suspects[..<(suspects.count / 2)])
      }
    return part.map { codes[$0] }
  }

  /// Returns a function that says whether a waiting request asks for a code.
  private func isWanted() -> (Int) -> Bool {
    var wanted = [Bool](repeating: false, count: codes.count)
    for request in waiting {
      for index in requests[request] { wanted[index] = true }
    }
    return { wanted[$0] }
  }

  // MARK: its outcome

  /// Records how the call for the codes of `nextCall` ended.
  mutating func callEnded(_ outcome: Outcome) {
    switch outcome {
    case .good(let response, let text): good(response, text)
    case .rejected(let result):
      assign(.whole(result)) { [part] in $0 == part }
      // Every request for the rejected code may have its response already.
      let suspects = part.filter(isWanted())
      phase = suspects.isEmpty ? .together : suspects.count < part.count ? .checking(suspects) : .halving(suspects)
    case .failed(let result): assign(.whole(result)) { _ in true }
    case .unsplittable: assign(.ownCall) { _ in true }
    }
  }

  private mutating func good(_ response: AdapterResponse, _ text: [UInt8]) {
    // A request for exactly these codes gets the response unsplit.
    assign(.whole(.success(response))) { [part] in $0 == part }
    guard !waiting.isEmpty else { return }
    do throws(BatchSplitter.Refusal) {
      let splitter = try BatchSplitter(text, codes: part.map { codes[$0] }, merging, keepsOwnOrder: hasOwnOrder)
      if splitter.hasOwnOrder { hasOwnOrder = true }
      var isInPart = [Bool](repeating: false, count: codes.count)
      for index in part { isInPart[index] = true }
      var frame = response
      frame.body = .bytes([])
      frame.fields = response.fields.withoutDigests
      assign(.part(splitter, frame)) { codes in codes.allSatisfy { isInPart[$0] } }
    } catch {
      if case .form(let reason) = error { unknownForm = reason }
      return assign(.ownCall) { _ in true }
    }
    if case .halving(let suspects) = phase {
      phase = .halving(Array(suspects[part.count...]))
    } else {
      phase = .together
    }
  }

  /// Gives a share to the waiting requests whose codes match.
  private mutating func assign(_ share: Share, _ isMatch: ([Int]) -> Bool) {
    waiting.removeAll { request in
      guard isMatch(requests[request]) else { return false }
      shares.append((request, share))
      return true
    }
  }
}

extension Fields {
  /// Without the fields that hold for one sequence of bytes only: the validator of RFC 9110 §8.8.3, the digests of RFC 9530 and the
  /// older ones.
  fileprivate var withoutDigests: Fields {
    let names = ["etag", "content-md5", "digest", "content-digest", "repr-digest"]
    guard names.contains(where: { self[$0] != nil }) else { return self }
    var rest: [UInt8] = []
    forEach { name, value in
      if names.contains(String(decoding: name, as: UTF8.self).lowercased()) { return }
      rest.append(contentsOf: name)
      rest.append(": ")
      rest.append(contentsOf: value)
      rest.append("\r\n")
    }
    return Fields(checkedBlock: rest)
  }
}
