import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite struct BatchPlanTests {
  /// Runs the requests of one window against an upstream in memory.
  struct Run {
    var model: ModelUpstream
    /// The response of each request; nil: the plan left it to a call of its own.
    var shares: [[UInt8]?] = []
    var merged: [String] = []
    var unknownForm: String?
    var calls: Int { model.calls.count }

    init(_ model: ModelUpstream, _ callers: [[String]], fail: (Int) -> BatchPlan.Outcome? = { _ in nil }) throws {
      self.model = model
      shares = Array(repeating: nil, count: callers.count)
      var merged = MergedCodes()
      let lists = try callers.map { caller in
        let list = try #require(CodeList(ModelUpstream.body(caller), member: "codes", max: 1000))
        let indices = merged.add(list, max: 1000)
        return try #require(indices)
      }
      self.merged = merged.codes.map(Self.text)
      var plan = BatchPlan(merged.codes, requests: lists, ModelUpstream.merging, hasOwnOrder: model.sorts)
      var settled: Set<Int> = []
      while let codes = plan.nextCall() {
        #expect(!codes.isEmpty)
        let asked = codes.map(Self.text)
        let (text, isGood) = self.model.answer(asked)
        let response = AdapterResponse(json: text, verdict: isGood ? .ok : .businessError(code: 500))
        plan.callEnded(
          fail(calls) ?? (isGood ? .good(response, text) : .rejected(.success(response))))
        take(&plan, callers, &settled)
      }
      take(&plan, callers, &settled)
      unknownForm = plan.unknownForm
      #expect(settled.count == callers.count, "every request has a share")
    }

    private mutating func take(_ plan: inout BatchPlan, _ callers: [[String]], _ settled: inout Set<Int>) {
      for (caller, share) in plan.takeShares() {
        #expect(settled.insert(caller).inserted, "two shares")
        switch share {
        case .whole(.success(let response)): shares[caller] = response.body.prefix
        case .whole(.failure(let error)): shares[caller] = Array("\(error.code.rawValue)".utf8)
        case .part(let splitter, _):
          shares[caller] = splitter.body(for: callers[caller].map { PointCode(bytes: Array($0.utf8)[...]) })
        case .ownCall: break
        }
      }
    }

    private static func text(_ code: PointCode) -> String { String(decoding: code.bytes, as: UTF8.self) }

    /// The largest number of calls that finding a rejected code may take.
    var bound: Int { Int(2 * log2(Double(max(merged.count, 1)))) + 2 }
  }

  private static let pool = (0..<24).map { ["C_\($0)_AV", "é\($0)", "日\($0)/x", "😀 \($0)"][$0 % 4] }

  private func callers(_ random: inout SeededGenerator) -> [[String]] {
    (0..<Int.random(in: 1...10, using: &random)).map { _ in
      Array(Self.pool.shuffled(using: &random).prefix(Int.random(in: 1...8, using: &random)))
    }
  }

  @Test func `a share is the response that the request would have got unmerged`() throws {
    for seed in 0..<3000 {
      var random = SeededGenerator(seed: seed)
      let callers = callers(&random)
      let model = ModelUpstream(random: &random, pool: Self.pool)
      let run = try Run(model, callers)
      #expect(run.calls == (callers.count > 1 ? 1 : 0))
      for (caller, codes) in callers.enumerated() {
        let own = model.unmerged(codes).text
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

  @Test func `only requests for a rejected code see the rejection, within the bound of calls`() throws {
    for seed in 0..<3000 {
      var random = SeededGenerator(seed: seed + 1_000_000)
      let callers = callers(&random)
      var model = ModelUpstream(random: &random, pool: Self.pool)
      model.rejected = Set(callers.joined().shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random)))
      let run = try Run(model, callers)
      var ownCalls = 0
      for (caller, codes) in callers.enumerated() {
        let isRejected = !model.rejected.isDisjoint(with: codes)
        let own = model.unmerged(codes)
        #expect(own.isGood == !isRejected)
        guard let share = run.shares[caller] else {
          ownCalls += 1
          continue
        }
        #expect(try pieces(share) == pieces(own.text), "seed \(seed), caller \(caller)")
      }
      #expect(run.calls <= run.bound, "seed \(seed)")
      guard model.rejected.count == 1, callers.count > 1 else { continue }
      let affected = callers.count { !model.rejected.isDisjoint(with: $0) }
      #expect(ownCalls <= affected + 1, "seed \(seed)")
      #expect(run.calls + ownCalls <= run.bound + affected - 1, "seed \(seed)")
    }
  }

  @Test(arguments: [2, 3, 4, 5, 7, 8, 9, 50, 200])
  func `one rejected code takes at most 2·log2 n + 2 calls, with its request's own`(_ n: Int) throws {
    let codes = (0..<n).map { "C_\($0)" }
    for code in codes {
      var model = ModelUpstream()
      model.rejected = [code]
      let run = try Run(model, codes.map { [$0] })
      let ownCalls = run.shares.count { $0 == nil }
      #expect(Double(run.calls + ownCalls) <= 2 * log2(Double(n)) + 2, "\(code)")
      for (code, share) in zip(codes, run.shares) {
        guard let share else { continue }
        #expect(try pieces(share) == pieces(model.unmerged([code]).text))
      }
    }
  }

  @Test func `identical requests for a rejected list get the response of one call`() throws {
    var model = ModelUpstream()
    model.rejected = ["b"]
    let run = try Run(model, Array(repeating: ["a", "b"], count: 5))
    #expect(run.calls == 1)
    #expect(run.shares.allSatisfy { $0 == model.unmerged(["a", "b"]).text })
  }

  @Test func `a plan whose every call is rejected stays within the bound`() throws {
    let codes = (0..<64).map { "C_\($0)" }
    var model = ModelUpstream()
    model.rejected = Set(codes)
    let run = try Run(model, codes.map { [$0, "C_0"].uniqued })
    #expect(run.calls <= run.bound)
  }

  @Test func `a failed call is the result of every request, without further calls`() throws {
    let error = GatewayError(AdapterError(.unreachable, "no"))
    let run = try Run(ModelUpstream(), [["a"], ["b"]]) { _ in .failed(.failure(error)) }
    #expect(run.calls == 1)
    #expect(run.shares == [Array("upstream_unreachable".utf8), Array("upstream_unreachable".utf8)])
  }

  @Test func `a response with an unknown member leaves every request to its own call, with the reason`() throws {
    var model = ModelUpstream()
    model.unknown = #""total":2"#
    let run = try Run(model, [["a"], ["b"]])
    #expect(run.calls == 1)
    #expect(run.shares == [nil, nil])
    #expect(run.unknownForm?.contains("'total'") == true)
  }

  @Test func `a response with an unrequested element leaves every request to its own call, without a reason`() throws {
    let text = Array(#"{"code":200,"ResultPointObjArr":[{"pointId":"z"}]}"#.utf8)
    let run = try Run(ModelUpstream(), [["a"], ["b"]]) { _ in .good(AdapterResponse(json: text), text) }
    #expect(run.shares == [nil, nil])
    #expect(run.unknownForm == nil)
  }

  @Test func `a part has no fields that hold for the whole body only`() throws {
    let codes = ["a", "b"].map { PointCode(bytes: Array($0.utf8)[...]) }
    var plan = BatchPlan(codes, requests: [[0], [1]], ModelUpstream.merging)
    #expect(plan.nextCall()?.count == 2)
    let text = Array(#"{"code":200,"ResultPointObjArr":[]}"#.utf8)
    let fields = Fields(checkedBlock: Array("ETag: \"x\"\r\nX-Own: 1\r\nContent-MD5: y\r\n".utf8))
    plan.callEnded(.good(AdapterResponse(status: 200, fields: fields, body: .bytes(text)), text))
    let settled = plan.takeShares()
    #expect(settled.count == 2)
    for (_, share) in settled {
      guard case .part(_, let frame) = share else {
        Issue.record("not split")
        continue
      }
      #expect(frame.fields.bytes == Array("X-Own: 1\r\n".utf8))
    }
  }
}

extension [String] {
  fileprivate var uniqued: [String] { reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}
