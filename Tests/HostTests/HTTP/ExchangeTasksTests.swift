import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct ExchangeTasksTests {
  private static let taskInUse: @Sendable () -> Int = { withUnsafeCurrentTask { $0.hashValue } }

  @Test func `one task serves consecutive exchanges of several connections`() async throws {
    let tasks = Collected<Int>()
    try await ServerRig.with(handler: { exchange in
      await Task.yield()
      tasks.add(ExchangeTasksTests.taskInUse())
      exchange.respond("done")
    }) { rig in
      let clients = [try await rig.connect(), try await rig.connect()]
      for _ in 0..<10 {
        for client in clients { #expect(client.ask(get("/x"))?.text == "done") }
      }
    }
    #expect(tasks.count == 20 && Set(tasks.all).count == 1)
  }

  @Test func `simultaneous exchanges have a task each`() async throws {
    let tasks = Collected<Int>()
    let gate = Gate()
    try await ServerRig.with(handler: { exchange in
      tasks.add(ExchangeTasksTests.taskInUse())
      await gate.pass(on: exchange.loop)
      exchange.respond("done")
    }) { rig in
      for round in 1...2 {
        var clients: [TestSocket] = []
        for _ in 0..<5 { clients.append(try await rig.connect(sending: get("/x"))) }
        #expect(await eventually { gate.arrived == 5 * round })
        gate.open()
        for client in clients { #expect(client.receiveMessage()?.text == "done") }
        gate.close()
      }
    }
    #expect(tasks.count == 10 && Set(tasks.all).count == 5)
  }

  @Test func `a client that leaves cancels its own exchange, and no later one of the same task`() async throws {
    let gate = Gate()
    let cancelled = Collected<Bool>()
    try await ServerRig.with(handler: { exchange in
      if exchange.path == "/wait" { await gate.pass(on: exchange.loop) }
      cancelled.add(Task.isCancelled)
      exchange.respond("done")
    }) { rig in
      let staying = try await rig.connect()
      for number in 1...5 {
        let leaving = try await rig.connect(sending: get("/wait"))
        #expect(await eventually { gate.arrived == number })
        leaving.reset()
        #expect(await eventually { cancelled.count == 2 * number - 1 })
        #expect(staying.ask(get("/x"))?.text == "done")
      }
    }
    #expect(cancelled.all == Array(repeating: [true, false], count: 5).flatMap { $0 })
  }

  @Test func `a server that ends releases the objects of its tasks`() async throws {
    final class Held: Sendable {}
    weak var held: Held?
    do {
      let kept = Held()
      held = kept
      try await ServerRig.with(handler: { exchange in
        await Task.yield()
        withExtendedLifetime(kept) { exchange.respond("done") }
      }) { rig in
        let client = try await rig.connect(sending: get("/x"))
        #expect(client.receiveMessage()?.text == "done")
      }
    }
    #expect(await eventually { held == nil })
  }
}
