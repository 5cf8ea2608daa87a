import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite("What becomes of the callers of one window")
struct BatchCourseTests {
  /// Runs a window of callers against an upstream in memory.
  struct Run {
    var model: ModelUpstream
    /// What each caller got; nil: he was left to a call of his own.
    var shares: [[UInt8]?] = []
    var union: [String] = []
    var unknownForm: String?
    var calls: Int { model.calls.count }

    init(_ model: ModelUpstream, _ callers: [[String]], fail: (Int) -> BatchCourse.Outcome? = { _ in nil }) throws {
      self.model = model
      shares = Array(repeating: nil, count: callers.count)
      var union = CodeUnion()
      let lists = try callers.map { caller in
        let list = try #require(CodeList(ModelUpstream.body(caller), member: "codes", max: 1000))
        let places = union.add(list, max: 1000)
        return try #require(places)
      }
      self.union = union.codes.map(Self.text)
      var course = BatchCourse(union.codes, lists: lists, ModelUpstream.merging)
      var settled: Set<Int> = []
      while let codes = course.next() {
        #expect(!codes.isEmpty)
        let asked = codes.map(Self.text)
        let (text, isGood) = self.model.answer(asked)
        let response = AdapterResponse(json: text, verdict: isGood ? .ok : .businessError(code: 500))
        course.answered(
          fail(calls) ?? (isGood ? .good(response, text) : .refused(.success(response))))
        take(&course, callers, &settled)
      }
      take(&course, callers, &settled)
      unknownForm = course.unknownForm
      #expect(settled.count == callers.count, "everybody gets something")
    }

    private mutating func take(_ course: inout BatchCourse, _ callers: [[String]], _ settled: inout Set<Int>) {
      for (caller, share) in course.takeSettled() {
        #expect(settled.insert(caller).inserted, "and once")
        switch share {
        case .whole(.success(let response)): shares[caller] = response.body.prefix
        case .whole(.failure(let error)): shares[caller] = Array("\(error.code.rawValue)".utf8)
        case .cut(let cut, _):
          shares[caller] = cut.answer(for: callers[caller].map { PointCode(bytes: Array($0.utf8)[...]) })
        case .alone: break
        }
      }
    }

    private static func text(_ code: PointCode) -> String { String(decoding: code.bytes, as: UTF8.self) }

    /// What finding a poison may cost.
    var bound: Int { Int(2 * log2(Double(max(union.count, 1)))) + 2 }
  }

  private static let pool = (0..<24).map { ["C_\($0)_AV", "é\($0)", "日\($0)/x", "😀 \($0)"][$0 % 4] }

  private func callers(_ random: inout SeededNumbers) -> [[String]] {
    (0..<Int.random(in: 1...10, using: &random)).map { _ in
      Array(Self.pool.shuffled(using: &random).prefix(Int.random(in: 1...8, using: &random)))
    }
  }

  @Test func `a merged answer is what the caller would have got unmerged`() throws {
    for seed in 0..<3000 {
      var random = SeededNumbers(UInt64(seed))
      let callers = callers(&random)
      let model = ModelUpstream(random: &random, pool: Self.pool)
      let run = try Run(model, callers)
      #expect(run.calls == (callers.count > 1 ? 1 : 0))
      for (caller, codes) in callers.enumerated() {
        let own = model.unmerged(model.sorts ? codes : run.union.filter(codes.contains)).text
        guard callers.count > 1 else {
          #expect(run.shares[caller] == nil)
          continue
        }
        let share = try #require(run.shares[caller], "seed \(seed)")
        #expect(try pieces(share) == pieces(own), "seed \(seed), caller \(caller)")
        // Byte for byte, where the upstream puts no space between elements.
        if !model.isSpaced { #expect(share == own, "seed \(seed), caller \(caller)") }
      }
    }
  }

  @Test func `only those who asked for a poison see it, and finding it takes few calls`() throws {
    for seed in 0..<3000 {
      var random = SeededNumbers(UInt64(seed) + 1_000_000)
      let callers = callers(&random)
      var model = ModelUpstream(random: &random, pool: Self.pool)
      model.poisons = Set(callers.joined().shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random)))
      let run = try Run(model, callers)
      var alone = 0
      for (caller, codes) in callers.enumerated() {
        let isPoisoned = !model.poisons.isDisjoint(with: codes)
        let own = model.unmerged(model.sorts ? codes : run.union.filter(codes.contains))
        #expect(own.isGood == !isPoisoned)
        guard let share = run.shares[caller] else {
          alone += 1
          continue
        }
        #expect(try pieces(share) == pieces(own.text), "seed \(seed), caller \(caller)")
      }
      #expect(run.calls <= run.bound, "seed \(seed)")
      guard model.poisons.count == 1, callers.count > 1 else { continue }
      let askers = callers.count { !model.poisons.isDisjoint(with: $0) }
      #expect(alone <= askers + 1, "seed \(seed): only askers, and one who was left over, call for themselves")
      #expect(run.calls + alone <= run.bound + askers - 1, "seed \(seed)")
    }
  }

  @Test(
    "one poison costs at most 2·log2 n + 2 calls, its asker's own among them",
    arguments: [2, 3, 4, 5, 7, 8, 9, 50, 200])
  func bound(_ n: Int) throws {
    let codes = (0..<n).map { "C_\($0)" }
    for poison in codes {
      var model = ModelUpstream()
      model.poisons = [poison]
      let run = try Run(model, codes.map { [$0] })
      let alone = run.shares.count { $0 == nil }
      #expect(Double(run.calls + alone) <= 2 * log2(Double(n)) + 2, "\(poison)")
      for (code, share) in zip(codes, run.shares) {
        guard let share else { continue }
        #expect(try pieces(share) == pieces(model.unmerged([code]).text))
      }
    }
  }

  @Test func `everybody asks for the same poisoned list: they get its one answer`() throws {
    var model = ModelUpstream()
    model.poisons = ["b"]
    let run = try Run(model, Array(repeating: ["a", "b"], count: 5))
    #expect(run.calls == 1)
    #expect(run.shares.allSatisfy { $0 == model.unmerged(["a", "b"]).text })
  }

  @Test func `where everything is refused, the calls end and each makes his own`() throws {
    let codes = (0..<64).map { "C_\($0)" }
    var model = ModelUpstream()
    model.poisons = Set(codes)
    let run = try Run(model, codes.map { [$0, "C_0"].uniqued })
    #expect(run.calls <= run.bound)
  }

  @Test func `no point is looked for where the upstream could not answer`() throws {
    let error = GatewayError(AdapterError(.unreachable, "no"))
    let run = try Run(ModelUpstream(), [["a"], ["b"]]) { _ in .failed(.failure(error)) }
    #expect(run.calls == 1)
    #expect(run.shares == [Array("upstream_unreachable".utf8), Array("upstream_unreachable".utf8)])
  }

  @Test func `a member that nobody knows leaves everybody to himself`() throws {
    var model = ModelUpstream()
    model.unknown = #""total":2"#
    let run = try Run(model, [["a"], ["b"]])
    #expect(run.calls == 1)
    #expect(run.shares == [nil, nil])
    #expect(run.unknownForm?.contains("'total'") == true)
  }

  @Test func `an element that nobody asked for leaves everybody to himself, this time`() throws {
    let text = Array(#"{"code":200,"ResultPointObjArr":[{"pointId":"z"}]}"#.utf8)
    let run = try Run(ModelUpstream(), [["a"], ["b"]]) { _ in .good(AdapterResponse(json: text), text) }
    #expect(run.shares == [nil, nil])
    #expect(run.unknownForm == nil)
  }

  @Test func `fields that hold for the whole answer only don't stand on a part`() throws {
    let codes = ["a", "b"].map { PointCode(bytes: Array($0.utf8)[...]) }
    var course = BatchCourse(codes, lists: [[0], [1]], ModelUpstream.merging)
    #expect(course.next()?.count == 2)
    let text = Array(#"{"code":200,"ResultPointObjArr":[]}"#.utf8)
    let fields = Fields(checkedBlock: Array("ETag: \"x\"\r\nX-Own: 1\r\nContent-MD5: y\r\n".utf8))
    course.answered(.good(AdapterResponse(status: 200, fields: fields, body: .bytes(text)), text))
    let settled = course.takeSettled()
    #expect(settled.count == 2)
    for (_, share) in settled {
      guard case .cut(_, let frame) = share else {
        Issue.record("not cut")
        continue
      }
      #expect(frame.fields.bytes == Array("X-Own: 1\r\n".utf8))
    }
  }
}

extension [String] {
  fileprivate var uniqued: [String] { reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}
