import AdapterAPI

/// Decides what becomes of the callers that met in one window: which calls are made for them, and which answer is whose.
///
/// First all their codes are asked for in one call. Where that fails, one of the points may poison it: halving finds the point,
/// those who asked for it are left to calls of their own and see what the upstream says to them, and the others' codes are asked
/// for again, all in one call. So nobody's answer is put together from several, and a wrong guess costs calls, never a wrong
/// answer. One poison among n codes takes log2 n + 2 calls at most; with several of them it goes on until 2·log2 n + 2 calls
/// are made or given away, and who has no answer then makes a call of his own.
struct BatchCourse {
  /// What came of a call.
  enum Outcome {
    /// A good answer, whole.
    case good(AdapterResponse, [UInt8])
    /// The upstream says no to what it was asked.
    case refused(Sharing.CallResult)
    /// Nothing that a point could be blamed for; everybody would have got the same.
    case failed(Sharing.CallResult)
    /// An answer that nobody looks into.
    case uncuttable
  }

  /// What a caller gets.
  enum Share: Sendable {
    /// What he would have got if he had asked alone.
    case whole(Sharing.CallResult)
    /// His elements, in an answer with this status and these fields.
    case cut(AnswerCut, AdapterResponse)
    /// A call of his own.
    case alone
  }

  private let merging: PointMerging
  private let codes: [PointCode]
  /// The callers' codes, as places in `codes`.
  private let lists: [[Int]]
  /// The callers that have nothing yet.
  private var waiting: [Int]
  /// What callers got since `takeSettled`.
  private var settled: [(caller: Int, share: Share)] = []
  /// Calls made, with the one that each poison's first asker makes himself; and how many there may be.
  private var calls = 0
  private let limit: Int

  private enum Phase {
    /// The next call is for all that wait.
    case together
    /// One of these codes may poison; the next call tells.
    case checking([Int])
    /// One of these codes poisons; the next call tells whether it is in the first half.
    case halving([Int])
  }
  private var phase = Phase.together
  /// What the call under way asks for.
  private var part: [Int] = []
  /// Why the adapter's answers can't be cut, once one was seen. The rest of a sentence.
  private(set) var unknownForm: String?

  /// - Parameter lists: of each caller, in the order in which they came, the places of his codes.
  init(_ codes: [PointCode], lists: [[Int]], _ merging: PointMerging) {
    self.codes = codes
    self.lists = lists
    self.merging = merging
    waiting = Array(lists.indices)
    let n = max(codes.count, 1)
    // 2·log2 n, rounded down, is the place of the highest bit of n²; no batch has so many codes that n² overflows.
    limit = 2 + (Int.bitWidth - 1 - (n &* n).leadingZeroBitCount)
  }

  /// Who has got what since the last time.
  mutating func takeSettled() -> [(caller: Int, share: Share)] {
    defer { settled = [] }
    return settled
  }

  // MARK: the next call

  /// The codes of the next call; nil when everybody has his share.
  mutating func next() -> [PointCode]? {
    if case .halving(let suspects) = phase, suspects.count == 1 {
      settle(.alone) { $0.contains(suspects[0]) }
      calls += 1
      phase = .together
    }
    // A call for one caller is his own.
    guard waiting.count > 1, calls < limit else {
      settle(.alone) { _ in true }
      return nil
    }
    calls += 1
    part =
      switch phase {
      case .together:
        codes.indices.filter(isWanted())
      case .checking(let suspects): suspects
      case .halving(let suspects): Array(suspects[..<(suspects.count / 2)])
      }
    return part.map { codes[$0] }
  }

  /// Whether somebody who waits asks for it.
  private func isWanted() -> (Int) -> Bool {
    var wanted = [Bool](repeating: false, count: codes.count)
    for caller in waiting {
      for place in lists[caller] { wanted[place] = true }
    }
    return { wanted[$0] }
  }

  // MARK: its answer

  mutating func answered(_ outcome: Outcome) {
    switch outcome {
    case .good(let response, let text): good(response, text)
    case .refused(let answer):
      settle(.whole(answer)) { [part] in $0 == part }
      // Perhaps nobody has asked for the poison who has not got his no already.
      let suspects = part.filter(isWanted())
      phase = suspects.isEmpty ? .together : suspects.count < part.count ? .checking(suspects) : .halving(suspects)
    case .failed(let answer): settle(.whole(answer)) { _ in true }
    case .uncuttable: settle(.alone) { _ in true }
    }
  }

  private mutating func good(_ response: AdapterResponse, _ text: [UInt8]) {
    // Who asked for just this needs no cut.
    settle(.whole(.success(response))) { [part] in $0 == part }
    guard !waiting.isEmpty else { return }
    do throws(AnswerCut.Refusal) {
      let cut = try AnswerCut(text, asked: part.map { codes[$0] }, merging)
      var isInPart = [Bool](repeating: false, count: codes.count)
      for place in part { isInPart[place] = true }
      var frame = response
      frame.body = .bytes([])
      frame.fields = response.fields.withoutDigests
      settle(.cut(cut, frame)) { list in list.allSatisfy { isInPart[$0] } }
    } catch {
      if case .form(let reason) = error { unknownForm = reason }
      return settle(.alone) { _ in true }
    }
    if case .halving(let suspects) = phase {
      phase = .halving(Array(suspects[part.count...]))
    } else {
      phase = .together
    }
  }

  /// Gives a share to those of the waiting whose codes are meant.
  private mutating func settle(_ share: Share, _ isMeant: ([Int]) -> Bool) {
    var left: [Int] = []
    for caller in waiting {
      if isMeant(lists[caller]) {
        settled.append((caller, share))
      } else {
        left.append(caller)
      }
    }
    waiting = left
  }
}

extension Fields {
  /// Without the fields that hold for one sequence of bytes only: the validator of RFC 9110 §8.8.3, the digests of RFC 9530
  /// and of those before it.
  fileprivate var withoutDigests: Fields {
    let names = ["etag", "content-md5", "digest", "content-digest", "repr-digest"]
    guard names.contains(where: { self[$0] != nil }) else { return self }
    var kept: [UInt8] = []
    forEach { name, value in
      if names.contains(String(decoding: name, as: UTF8.self).lowercased()) { return }
      kept.append(contentsOf: name)
      kept.append(": ")
      kept.append(contentsOf: value)
      kept.append("\r\n")
    }
    return Fields(checkedBlock: kept)
  }
}
