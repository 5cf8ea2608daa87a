import Testing

@testable import Host

@Suite struct CatalogueTurnTests {
  @Test(arguments: [1, 2])
  func `nothing is read for anybody while its share of the memory is used up`(share: Int) async throws {
    let rig = CatalogueRig(share: share)
    let id = try await rig.create(#"{"code":"a"}"#).id
    rig.memory.add(rig.memory.limit / share + 1)
    for action in [ResourceAction.list, .read(id: id), .delete(id: id), .importAll] {
      let error = await rig.refusal(action, "[]")
      #expect(error?.status == 503 && error?.code == .overloaded && error?.retryAfter != nil)
    }
    rig.memory.add(-1)
    #expect(try await rig.list().count == 1)
  }

  @Test func `an answer counts as long as somebody has it`() async throws {
    let rig = CatalogueRig()
    try await rig.create(#"{"code":"a"}"#)
    #expect(rig.memory.used == 0)
    do {
      let answer = try await rig.ask(.list)
      #expect(answer.body.count > 2 && rig.memory.used == answer.body.count)
    }
    #expect(rig.memory.used == 0)
  }

  @Test func `all get their turn, more than there are places`() async throws {
    let rig = CatalogueRig(places: 1)
    let served = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<50 {
        group.addTask {
          // Longer than any machine takes for this.
          try await rig.catalogue.inTurn(atMost: .seconds(600)) { () async throws(GatewayError) in
            await Task.yield()
            return .deleted
          }.status
        }
      }
      return try await group.reduce(into: 0) { $0 += $1 == 200 ? 1 : 0 }
    }
    #expect(served == 50)
  }

  @Test func `who waited too long, or has gone, is sent away at its turn, and the place is free again`() async throws {
    let rig = CatalogueRig(places: 1)
    await #expect(throws: GatewayError.self) {
      try await rig.catalogue.inTurn(atMost: .zero) { () async throws(GatewayError) in .deleted }
    }
    let gone = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await rig.ask(.create, #"{"code":"a"}"#)
    }
    await #expect(throws: GatewayError.self) { try await gone.value }
    #expect(try await rig.list().isEmpty)
  }

  @Test func `a place is given on to who waits, and only so many wait`() async {
    var queue = TurnQueue(places: 1, maximumWaiters: 1)
    let isFirstServed = queue.take()
    let isSecondServed = queue.take()
    #expect(isFirstServed && !isSecondServed && queue.hasRoom)
    await withUnsafeContinuation { (second: UnsafeContinuation<Void, Never>) in
      queue.append(second)
      #expect(!queue.hasRoom)
      queue.giveBack()?.resume()
    }
    let isThirdServed = queue.take()
    #expect(!isThirdServed && queue.hasRoom, "the place went to who waited")
    let nobody = queue.giveBack() == nil
    #expect(nobody)
    let isFree = queue.take()
    #expect(isFree)
  }
}
