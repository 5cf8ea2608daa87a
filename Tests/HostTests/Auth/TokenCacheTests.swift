import TestSupport
import Testing

@testable import Host

@Suite struct TokenCacheTests {
  private func text(_ number: Int, length: Int = 64) -> [UInt8] {
    let digits = Array(String(number).utf8)
    return [UInt8](repeating: UInt8(ascii: "."), count: max(0, length - digits.count)) + digits
  }

  private func principal(_ number: Int) -> Principal {
    Principal(subject: "subject number \(number)", roles: ["r"], expiresAt: Int64(number), notBefore: nil)
  }

  private func find(_ cache: borrowing TokenCache, _ token: [UInt8]) -> Principal? {
    let slot = token.withUnsafeBufferPointer { cache.find($0) }
    return slot.flatMap { cache.principal(at: $0) }
  }

  private func insert(_ cache: inout TokenCache, _ token: [UInt8], _ principal: Principal) {
    token.withUnsafeBufferPointer { cache.insert($0, principal) }
  }

  @Test(arguments: [1, 2, 7, 64, 1000])
  func `a cache holds at most its capacity, and each hit returns the right principal`(capacity: Int) {
    var cache = TokenCache(capacity: capacity)
    for number in 0..<(capacity * 3) {
      insert(&cache, text(number), principal(number))
      #expect(cache.count == min(number + 1, capacity))
      #expect(find(cache, text(number))?.expiresAt == Int64(number), "the newest token is cached")
    }
    var hits = 0
    for number in 0..<(capacity * 3) {
      guard let found = find(cache, text(number)) else { continue }
      hits += 1
      #expect(found.subject == "subject number \(number)")
    }
    #expect(hits == capacity)
    #expect(cache.byteCount == capacity * 64)
  }

  @Test func `a token that differs in one byte or in its length is not found`() {
    var cache = TokenCache(capacity: 8)
    let good = text(1, length: 300)
    insert(&cache, good, principal(1))
    #expect(find(cache, good) != nil)
    for index in good.indices {
      var other = good
      other[index] ^= 1
      #expect(find(cache, other) == nil)
    }
    #expect(find(cache, Array(good.dropFirst())) == nil)
    #expect(find(cache, good + [1]) == nil)
    #expect(find(cache, []) == nil)
  }

  @Test func `a token that is used stays, and unused tokens leave in the order in which they came`() {
    var cache = TokenCache(capacity: 32)
    insert(&cache, text(0), principal(0))
    for number in 1..<1000 {
      #expect(find(cache, text(0)) != nil)
      insert(&cache, text(number), principal(number))
    }
    // Unused tokens leave first in, first out.
    for number in 980..<1000 { #expect(find(cache, text(number)) != nil, "\(number)") }
  }

  @Test func `a cache whose tokens are all used still accepts a new token`() {
    var cache = TokenCache(capacity: 100)
    for number in 0..<100 { insert(&cache, text(number), principal(number)) }
    for number in 100..<200 {
      for old in 0..<number { _ = find(cache, text(old)) }
      insert(&cache, text(number), principal(number))
      #expect(cache.count == 100)
      #expect(find(cache, text(number)) != nil)
    }
  }

  @Test func `a cache is bounded in bytes, and does not store a very long token`() {
    var cache = TokenCache(capacity: 10)
    insert(&cache, text(1, length: TokenCache.maxTokenSize + 1), principal(1))
    #expect(cache.count == 0)
    for number in 0..<10 {
      insert(&cache, text(number, length: TokenCache.maxTokenSize), principal(number))
      #expect(cache.byteCount <= 10 * 1024)
      #expect(find(cache, text(number, length: TokenCache.maxTokenSize)) != nil)
    }
    #expect(cache.count == 2)
  }

  @Test func `a cache with capacity 0 stores nothing`() {
    var cache = TokenCache(capacity: 0)
    insert(&cache, text(1), principal(1))
    #expect(cache.count == 0)
    #expect(find(cache, text(1)) == nil)
    #expect(TokenCache(capacity: -5).capacity == 0)
    #expect(TokenCache(capacity: .max).capacity == 1 << 20)
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `a cache agrees with a dictionary over random insertions and removals`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var cache = TokenCache(capacity: 50)
    var model: [[UInt8]: Int64] = [:]
    for _ in 0..<5000 {
      let number = Int.random(in: 0..<120, using: &random)
      let token = text(number, length: 33 + number)
      let slot = token.withUnsafeBufferPointer { cache.find($0) }
      if let slot {
        #expect(cache.principal(at: slot)?.expiresAt == model[token])
        if Int.random(in: 0..<3, using: &random) == 0 {
          cache.remove(at: slot)
          model[token] = nil
          #expect(find(cache, token) == nil)
        }
      } else {
        insert(&cache, token, principal(number))
        model[token] = Int64(number)
      }
      #expect(cache.count <= 50)
    }
    let cached = model.keys.filter { find(cache, $0) != nil }
    #expect(cached.count == cache.count)
    #expect(cache.byteCount == cached.map(\.count).reduce(0, +))
  }

  @Test func `a verifier caches valid tokens only, and removes expired ones`() {
    let verifier = verifier(leeway: .zero, cache: 10)
    let made = token()
    _ = verifier.check(made + "A")
    _ = verifier.check(token { _ in [UInt8](repeating: 0, count: 32) })
    #expect(verifier.cachedCount == 0)
    for _ in 0..<3 { #expect(verifier.check(made).principal?.subject == "u1") }
    #expect(verifier.cachedCount == 1)
    #expect(verifier.check(made, now: 1_700_003_599).principal != nil)
    #expect(verifier.check(made, now: 1_700_003_600).refusal == .expired)
    #expect(verifier.cachedCount == 0)
    #expect(verifier.check(made, now: 1_700_003_600).refusal == .expired)
    #expect(verifier.cachedCount == 0)
    for number in 0..<100 {
      #expect(
        verifier.check(token(claims: #"{"sub":"\#(number)","exp":1700003600}"#)).principal?.subject == String(number))
    }
    #expect(verifier.cachedCount == 10)
  }

  @Test func `a new ring's verifier does not accept a token that another verifier cached`() {
    let old = token()
    #expect(verifier().check(old).principal != nil)
    let second = verifier([secretKey(.HS256, "another-secret-another-secret-another")])
    #expect(second.check(old).refusal == .signature)
  }
}
