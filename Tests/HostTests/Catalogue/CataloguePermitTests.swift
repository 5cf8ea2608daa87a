import Testing

@testable import Host

@Suite struct CataloguePermitTests {
  @Test(arguments: [1, 2])
  func `requests are refused while the catalogue's share of the memory is used up`(share: Int) async throws {
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

  @Test func `a response is charged to the memory budget until it is released`() async throws {
    let rig = CatalogueRig()
    try await rig.create(#"{"code":"a"}"#)
    #expect(rig.memory.used == 0)
    do {
      let response = try await rig.ask(.list)
      #expect(response.body.count > 2 && rig.memory.used == response.body.count)
    }
    #expect(rig.memory.used == 0)
  }

  @Test func `all requests are served when there are more than permits`() async throws {
    let rig = CatalogueRig(permits: 1)
    let served = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<50 {
        group.addTask {
          // Longer than the test takes on any machine.
          try await rig.catalogue.withPermit(within: .seconds(600)) { () async throws(GatewayError) in
            await Task.yield()
            return .deleted
          }.status
        }
      }
      return try await group.reduce(into: 0) { $0 += $1 == 200 ? 1 : 0 }
    }
    #expect(served == 50)
  }

  @Test func `a request that waited too long or was cancelled is refused, and its permit is released`() async throws {
    let rig = CatalogueRig(permits: 1)
    await #expect(throws: GatewayError.self) {
      try await rig.catalogue.withPermit(within: .zero) { () async throws(GatewayError) in .deleted }
    }
    let gone = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await rig.ask(.create, #"{"code":"a"}"#)
    }
    await #expect(throws: GatewayError.self) { try await gone.value }
    #expect(try await rig.list().isEmpty)
  }

  @Test func `a released permit goes to the first waiter, and the number of waiters is limited`() async {
    var queue = PermitQueue(permits: 1, maximumWaiters: 1)
    let isFirstServed = queue.take()
    let isSecondServed = queue.take()
    #expect(isFirstServed && !isSecondServed && queue.hasRoom)
    await withUnsafeContinuation { (second: UnsafeContinuation<Void, Never>) in
      queue.append(second)
      #expect(!queue.hasRoom)
      queue.release()?.resume()
    }
    let isThirdServed = queue.take()
    #expect(!isThirdServed && queue.hasRoom, "the first waiter got the permit")
    let isReleased = queue.release() == nil
    #expect(isReleased)
    let isFree = queue.take()
    #expect(isFree)
  }
}
