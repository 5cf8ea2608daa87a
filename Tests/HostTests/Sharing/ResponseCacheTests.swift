import AdapterAPI
import Testing

@testable import Host

@Suite struct ResponseCacheTests {
  private let key = Shared.key()
  private let policy = Shared.policy(cache: 10, stale: 5)
  private let memory = CacheMemory(MemoryBudget(limit: 4 << 20))

  private func cached(_ response: AdapterResponse = Shared.response(), epoch: UInt64 = 0) -> Cache {
    let cache = Cache(memory)
    #expect(cache.store(response, of: Shared.call(key, epoch: epoch, began: 99, policy), now: Shared.at(100)))
    return cache
  }

  /// Returns `fresh 3`, `stale 12 refresh`, `none`.
  private func find(_ cache: Cache, at time: Double, view: WriteEpoch.View = Shared.untouched) -> String {
    switch cache.find(key, policy, view, now: Shared.at(time)) {
    case .none: "none"
    case .reserve(_, let age): "reserve \(age / Shared.second)"
    case .fresh(_, let age): "fresh \(age / Shared.second)"
    case .stale(_, let age, let wants): "stale \(age / Shared.second)\(wants ? " refresh" : "")"
    }
  }

  @Test func `a response is fresh, then stale, then gone`() {
    let cache = cached()
    #expect(find(cache, at: 100) == "fresh 0")
    #expect(find(cache, at: 99.99) == "fresh 0", "another loop's clock may be a little behind")
    #expect(find(cache, at: 109.999) == "fresh 9")
    #expect(find(cache, at: 110) == "stale 10 refresh")
    #expect(find(cache, at: 114.999) == "stale 14 refresh")
    #expect(find(cache, at: 115) == "none")
    #expect(memory.used == 0)
  }

  @Test func `refreshFailed postpones the next refresh by a second`() {
    let cache = cached()
    cache.refreshFailed(key, now: Shared.at(111))
    #expect(find(cache, at: 111.9) == "stale 11")
    #expect(find(cache, at: 112) == "stale 12 refresh")
    cache.refreshFailed(Shared.key("unknown"), now: Shared.at(111))
  }

  @Test func `find returns no response from before a write, or from too soon after it`() {
    let cache = cached(epoch: 2)
    #expect(find(cache, at: 100, view: .init(number: 2, settledFrom: Shared.at(99))) == "fresh 0")
    #expect(find(cache, at: 100, view: .init(number: 2, settledFrom: Shared.at(99.5))) == "none")
    #expect(find(cache, at: 100, view: .init(number: 1, settledFrom: Shared.at(0))) == "none")
    #expect(find(cache, at: 100, view: .init(number: 2, settledFrom: Shared.at(99))) == "fresh 0")
    #expect(find(cache, at: 100, view: .init(number: 3, settledFrom: .distantFuture)) == "none")
    #expect(cache.isEmpty, "it can never be used again")
    #expect(memory.used == 0)
  }

  @Test func `store replaces an older response`() {
    let cache = cached(Shared.response(#"{"code":200,"value":1}"#))
    let size = memory.used
    let next = Shared.response(#"{"code":200,"value":2}"#)
    #expect(cache.store(next, of: Shared.call(key, began: 104, policy), now: Shared.at(105)))
    #expect(cache.count == 1)
    // An array may have a little more room than it was asked for.
    #expect(abs(memory.used - size) < 64)
    guard case .fresh(let shared, _) = cache.find(key, policy, Shared.untouched, now: Shared.at(106)) else {
      Issue.record("not cached")
      return
    }
    #expect(shared.response.text == #"{"code":200,"value":2}"#)
  }

  @Test func `ten thousand responses stay within the memory, and one in use is not evicted`() {
    let cache = Cache(memory)
    let large = Shared.response(#"{"code":200,"data":""# + String(repeating: "x", count: 2000) + "\"}")
    #expect(cache.store(large, of: Shared.call(key, policy), now: Shared.at(0)))
    for number in 0..<10_000 {
      let other = Shared.call(Shared.key("{\(number)}"), policy)
      #expect(cache.store(large, of: other, now: Shared.at(0)))
      #expect(memory.used <= 1 << 20)
      #expect(find(cache, at: 1) == "fresh 1")
    }
    #expect(memory.used > 1 << 19, "the memory is used")
    cache.removeExpired(now: Shared.at(14))
    #expect(cache.count > 100)
    cache.removeExpired(now: Shared.at(15))
    #expect(cache.isEmpty)
    #expect(memory.used == 0)
  }

  @Test func `store refuses a response larger than the memory, and evicts nothing`() {
    let cache = cached()
    let huge = Shared.response(String(repeating: "x", count: 2 << 20))
    #expect(!cache.store(huge, of: Shared.call(Shared.key("huge"), policy), now: Shared.at(100)))
    #expect(cache.count == 1)
  }

  @Test func `removeAll removes the responses of one adapter`() {
    let cache = cached()
    let other = Shared.call(Shared.key(adapter: 2), policy)
    #expect(cache.store(Shared.response(), of: other, now: Shared.at(100)))
    cache.removeAll(of: 1)
    #expect(find(cache, at: 101) == "none")
    #expect(cache.count == 1)
    cache.removeAll(of: 2)
    #expect(memory.used == 0)
  }

  @Test func `CacheMemory counts in the server's memory until its charge is released`() {
    let budget = MemoryBudget(limit: 4000)
    let memory = CacheMemory(budget)
    var charge = memory.take(1000)
    #expect(charge != nil)
    #expect(memory.take(1) == nil)
    #expect(budget.used == 1000)
    memory.giveBack(1000)
    #expect(memory.used == 0)
    #expect(budget.used == 1000, "a request still holds the response")
    charge = nil
    #expect(budget.used == 0)
  }

  @Test(
    arguments: [
      (#"{"code":200}"#, "", 200, true), (#"{"msg":"x"}"#, "", 200, true), ("[1]", "", 200, false),
      ("<html>", "", 200, false), ("", "", 200, false), (#"{"code":200}"#, "", 201, false),
      (#"{"code":200}"#, "Content-Encoding: gzip\r\n", 200, false), (#"{"code":200}"#, "Age: 3\r\n", 200, false),
      (#"{"code":200,"errors":[]}"#, "", 200, true), (#"{"code":200,"errors":[{"pointId":"P"}]}"#, "", 200, false),
      (#"{"errors":null}"#, "", 200, true), (#"{"errors":"x"}"#, "", 200, false),
      (#"{"data":{"errors":[1]}}"#, "", 200, true), (#"{"code":200,"data":[1,"#, "", 200, false),
      ("{\"code\":200}\r\n", "", 200, true), (" {", "", 200, false),
    ])
  func `isGood accepts whole good envelopes only`(body: String, fields: String, status: Int, isGood: Bool) {
    let response = AdapterResponse(
      status: status, fields: Fields(checkedBlock: Array(fields.utf8)), body: .bytes(Array(body.utf8)))
    #expect(response.isGood == isGood)
    var refused = response
    refused.verdict = .businessError(code: 500)
    #expect(!refused.isGood)
  }
}

/// A cache by reference, for use inside of `#expect`.
private final class Cache {
  private var cache: ResponseCache

  init(_ memory: CacheMemory) { cache = ResponseCache(memory) }

  var isEmpty: Bool { cache.isEmpty }
  var count: Int { cache.count }
  func find(_ key: ReadKey, _ policy: SharingPolicy, _ view: WriteEpoch.View, now: Instant) -> ResponseCache.Lookup {
    cache.find(key, policy, view, now: now)
  }
  func store(_ response: AdapterResponse, of call: InFlightCall, now: Instant) -> Bool {
    cache.store(response, of: call, now: now) != nil
  }
  func refreshFailed(_ key: ReadKey, now: Instant) { cache.refreshFailed(key, now: now) }
  func removeExpired(now: Instant) { cache.removeExpired(now: now) }
  func removeAll(of adapter: Int) { cache.removeAll(of: adapter) }
}
