import AdapterAPI
import Testing

@testable import Host

@Suite("Kept answers")
struct KeptAnswersTests {
  private let key = Shared.key()
  private let policy = Shared.policy(cache: 10, stale: 5)
  private let memory = CacheMemory(MemoryBudget(limit: 4 << 20))

  private func kept(_ answer: AdapterResponse = Shared.answer(), epoch: UInt64 = 0) -> Answers {
    let answers = Answers(memory)
    #expect(answers.keep(answer, of: Shared.flight(key, epoch: epoch, began: 99, policy), now: Shared.at(100)))
    return answers
  }

  /// `fresh 3`, `stale 12 refresh`, `nothing`.
  private func look(_ answers: Answers, at time: Double, view: WriteEpoch.View = Shared.untouched) -> String {
    switch answers.look(key, policy, view, now: Shared.at(time)) {
    case .nothing: "nothing"
    case .old(_, let age): "old \(age / Shared.second)"
    case .fresh(_, let age): "fresh \(age / Shared.second)"
    case .stale(_, let age, let wants): "stale \(age / Shared.second)\(wants ? " refresh" : "")"
    }
  }

  @Test func `an answer is fresh, then stale, then gone`() {
    let answers = kept()
    #expect(look(answers, at: 100) == "fresh 0")
    #expect(look(answers, at: 99.99) == "fresh 0", "another loop's clock may be a little behind")
    #expect(look(answers, at: 109.999) == "fresh 9")
    #expect(look(answers, at: 110) == "stale 10 refresh")
    #expect(look(answers, at: 114.999) == "stale 14 refresh")
    #expect(look(answers, at: 115) == "nothing")
    #expect(memory.used == 0)
  }

  @Test func `a refresh that failed is not repeated for a second, and changes nothing else`() {
    let answers = kept()
    answers.refreshFailed(key, now: Shared.at(111))
    #expect(look(answers, at: 111.9) == "stale 11")
    #expect(look(answers, at: 112) == "stale 12 refresh")
    answers.refreshFailed(Shared.key("unknown"), now: Shared.at(111))
  }

  @Test func `an answer from before a write is not given, also not one that was read too soon after it`() {
    let answers = kept(epoch: 2)
    #expect(look(answers, at: 100, view: .init(number: 2, settledFrom: Shared.at(99))) == "fresh 0")
    #expect(look(answers, at: 100, view: .init(number: 2, settledFrom: Shared.at(99.5))) == "nothing")
    #expect(look(answers, at: 100, view: .init(number: 1, settledFrom: Shared.at(0))) == "nothing")
    #expect(look(answers, at: 100, view: .init(number: 2, settledFrom: Shared.at(99))) == "fresh 0")
    #expect(look(answers, at: 100, view: .init(number: 3, settledFrom: .distantFuture)) == "nothing")
    #expect(answers.isEmpty, "it will never be given again")
    #expect(memory.used == 0)
  }

  @Test func `a newer answer takes the place of the older one`() {
    let answers = kept(Shared.answer(#"{"code":200,"value":1}"#))
    let size = memory.used
    let next = Shared.answer(#"{"code":200,"value":2}"#)
    #expect(answers.keep(next, of: Shared.flight(key, began: 104, policy), now: Shared.at(105)))
    #expect(answers.count == 1)
    // An array may have a little more room than it was asked for.
    #expect(abs(memory.used - size) < 64)
    guard case .fresh(let answer, _) = answers.look(key, policy, Shared.untouched, now: Shared.at(106)) else {
      Issue.record("nothing kept")
      return
    }
    #expect(answer.response.text == #"{"code":200,"value":2}"#)
  }

  @Test func `ten thousand different ones stay within the memory, and what is asked for stays`() {
    let answers = Answers(memory)
    let large = Shared.answer(#"{"code":200,"data":""# + String(repeating: "x", count: 2000) + "\"}")
    #expect(answers.keep(large, of: Shared.flight(key, policy), now: Shared.at(0)))
    for number in 0..<10_000 {
      let other = Shared.flight(Shared.key("{\(number)}"), policy)
      #expect(answers.keep(large, of: other, now: Shared.at(0)))
      #expect(memory.used <= 1 << 20)
      #expect(look(answers, at: 1) == "fresh 1")
    }
    #expect(memory.used > 1 << 19, "and the room is used")
    answers.sweep(now: Shared.at(14))
    #expect(answers.count > 100)
    answers.sweep(now: Shared.at(15))
    #expect(answers.isEmpty)
    #expect(memory.used == 0)
  }

  @Test func `what is larger than all the room is not kept, and throws nobody out`() {
    let answers = kept()
    let huge = Shared.answer(String(repeating: "x", count: 2 << 20))
    #expect(!answers.keep(huge, of: Shared.flight(Shared.key("huge"), policy), now: Shared.at(100)))
    #expect(answers.count == 1)
  }

  @Test func `an adapter that is gone takes its answers along`() {
    let answers = kept()
    let other = Shared.flight(Shared.key(adapter: 2), policy)
    #expect(answers.keep(Shared.answer(), of: other, now: Shared.at(100)))
    answers.forget(adapter: 1)
    #expect(look(answers, at: 101) == "nothing")
    #expect(answers.count == 1)
    answers.forget(adapter: 2)
    #expect(memory.used == 0)
  }

  @Test func `the memory of kept answers counts in the server's too`() {
    let budget = MemoryBudget(limit: 4000)
    let memory = CacheMemory(budget)
    var charge = memory.take(1000)
    #expect(charge != nil)
    #expect(memory.take(1) == nil)
    #expect(budget.used == 1000)
    memory.giveBack(1000)
    #expect(memory.used == 0)
    #expect(budget.used == 1000, "somebody still holds the answer")
    charge = nil
    #expect(budget.used == 0)
  }

  @Test(
    "only a whole good envelope is kept",
    arguments: [
      (#"{"code":200}"#, "", 200, true), (#"{"msg":"x"}"#, "", 200, true), ("[1]", "", 200, false),
      ("<html>", "", 200, false), ("", "", 200, false), (#"{"code":200}"#, "", 201, false),
      (#"{"code":200}"#, "Content-Encoding: gzip\r\n", 200, false), (#"{"code":200}"#, "Age: 3\r\n", 200, false),
      (#"{"code":200,"errors":[]}"#, "", 200, true), (#"{"code":200,"errors":[{"pointId":"P"}]}"#, "", 200, false),
      (#"{"errors":null}"#, "", 200, true), (#"{"errors":"x"}"#, "", 200, false),
      (#"{"data":{"errors":[1]}}"#, "", 200, true), (#"{"code":200,"data":[1,"#, "", 200, false),
      ("{\"code\":200}\r\n", "", 200, true), (" {", "", 200, false),
    ])
  func good(body: String, fields: String, status: Int, isGood: Bool) {
    let answer = AdapterResponse(
      status: status, fields: Fields(checkedBlock: Array(fields.utf8)), body: .bytes(Array(body.utf8)))
    #expect(answer.isGood == isGood)
    var refused = answer
    refused.verdict = .businessError(code: 500)
    #expect(!refused.isGood)
  }
}

/// Kept answers that the expectations may change.
private final class Answers {
  private var answers: KeptAnswers

  init(_ memory: CacheMemory) { answers = KeptAnswers(memory) }

  var isEmpty: Bool { answers.isEmpty }
  var count: Int { answers.count }
  func look(_ key: ReadKey, _ policy: SharingPolicy, _ view: WriteEpoch.View, now: Instant) -> KeptAnswers.Look {
    answers.look(key, policy, view, now: now)
  }
  func keep(_ answer: AdapterResponse, of flight: Flight, now: Instant) -> Bool {
    answers.keep(answer, of: flight, now: now) != nil
  }
  func refreshFailed(_ key: ReadKey, now: Instant) { answers.refreshFailed(key, now: now) }
  func sweep(now: Instant) { answers.sweep(now: now) }
  func forget(adapter: Int) { answers.forget(adapter: adapter) }
}
