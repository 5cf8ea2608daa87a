import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct UpstreamPoolTests {
  @Test func `calls beyond max_in_flight wait their turn, and beyond the queue are refused`() async throws {
    let signal = ThreadSignal()
    let upstream = try TestUpstream { _, socket, upstream in
      while upstream.takeRequest(socket) != nil {
        signal.wait()
        socket.send(ok("fine"))
      }
    }
    try await ClientRig.with(
      upstream.url,
      {
        $0.maxInFlight = 2; $0.queueSize = 3; $0.queueWait = .seconds(20)
      }
    ) { rig in
      let running = [rig.start(), rig.start()]
      #expect(await eventually { upstream.requests.count == 2 })
      var waiting: [Task<Result<HTTPResponse, AdapterError>, Never>] = []
      for _ in 0..<3 { waiting.append(rig.start()) }
      var refused: Result<HTTPResponse, AdapterError>?
      #expect(
        await eventually {
          refused = await rig.send(within: 1)
          return refused?.detail?.contains("queue is full") == true
        })
      #expect(refused?.code == .overloaded)
      signal.signal()
      for call in running + waiting { #expect(await call.value.text == "fine") }
      #expect(upstream.accepted == 2)
    }
  }

  @Test func `a call that waited too long is refused, and the next one is not`() async throws {
    let signal = ThreadSignal()
    let upstream = try TestUpstream { _, socket, upstream in
      while upstream.takeRequest(socket) != nil {
        signal.wait()
        socket.send(ok("fine"))
      }
    }
    try await ClientRig.with(
      upstream.url,
      {
        $0.maxInFlight = 1; $0.queueWait = .milliseconds(50)
      }
    ) { rig in
      let running = rig.start()
      #expect(await eventually { upstream.requests.count == 1 })
      for _ in 0..<3 { #expect(await rig.send().code == .overloaded) }
      signal.signal()
      #expect(await running.value.text == "fine")
      #expect(await rig.send().text == "fine", "what gave up stands in nobody's way")
    }
  }

  @Test func `a connection that lies idle on another loop makes room`() async throws {
    let upstream = try TestUpstream.answering(ok("fine"))
    try await ClientRig.with(
      upstream.url, loops: 3,
      {
        $0.maxConnections = 1; $0.maxInFlight = 1
      }
    ) { rig in
      for number in 0..<30 {
        // Before an idle connection ends by itself.
        #expect(await rig.send(on: number % 3, within: 50_000).text == "fine")
        #expect(await eventually { await rig.connections() == 1 })
      }
    }
  }

  @Test func `a connection that came back in this turn makes room too`() async throws {
    let upstream = try TestUpstream.answering(ok("fine"))
    let (address, url) = (upstream.address, upstream.url)
    await withLoops { group in
      let loop = group.loops[0]
      let permits = Permits(limit: 1)
      let inUse = await task(on: loop) { () -> [Int] in
        let pool = UpstreamPool(
          loop: loop, options: UpstreamOptions(), connections: permits, serializer: RequestSerializer(url))
        let made = await pool.open(to: [address], .values, deadline: inMilliseconds(60_000))
        guard case .success(let connection) = made else { return [] }
        pool.returned(connection)
        let before = permits.inUse
        pool.closeIdle()
        return [before, permits.inUse]
      }.value
      #expect(inUse == [1, 0])
    }
  }

  @Test func `four loops in a crowd around few connections all get their answers`() async throws {
    let upstream = try TestUpstream.answering(ok("fine"))
    try await ClientRig.with(
      upstream.url, loops: 4,
      {
        $0.maxConnections = 3; $0.maxInFlight = 3; $0.queueSize = 10_000; $0.queueWait = .seconds(60)
      }
    ) { rig in
      let good = Collected<Bool>()
      let bad = Collected<String>()
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<40 {
          tasks.addTask {
            for round in 0..<25 {
              let answer = await rig.send(worker % 5 == 0 ? write : HTTPRequest(.get, "/x"), on: (worker + round) % 4)
              if answer.text == "fine" { good.add(true) } else { bad.add("\(answer)") }
            }
          }
        }
      }
      #expect(good.count == 1_000)
      #expect(bad.all.prefix(3) == [])
      #expect(await rig.connections() <= 3)
    }
  }

  @Test func `calls that end in every way at once lose no place`() async throws {
    let upstream = try TestUpstream { _, socket, upstream in
      var served = 0
      while let request = upstream.takeRequest(socket) {
        served += 1
        switch request.startLine.split(separator: " ")[1].last {
        case "0": socket.send(ok("fine"))
        case "1": return socket.reset()
        case "2": socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz")
        case "3": socket.send(ok(String(repeating: "x", count: 300_000)))
        case "4": socket.sendAndFinish(ok("last"))
        default: _ = socket.isReadable(within: 20)
        }
      }
    }
    try await ClientRig.with(
      upstream.url, loops: 3,
      {
        $0.maxConnections = 4; $0.maxInFlight = 4; $0.queueSize = 20; $0.queueWait = .milliseconds(20);
        $0.firstByteTimeout = .milliseconds(20)
      }
    ) { rig in
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<24 {
          tasks.addTask {
            var random = Seeded(state: UInt64(worker + 1))
            for _ in 0..<30 {
              let kind = Int.random(in: 0..<6, using: &random)
              var request = HTTPRequest(.post, "/\(kind)")
              request.isWrite = Bool.random(using: &random)
              let call = rig.start(request, on: Int.random(in: 0..<3, using: &random), within: 20_000)
              if Int.random(in: 0..<4, using: &random) == 0 { call.cancel() }
              let answer = await call.value
              if Bool.random(using: &random) { _ = await answer.readAll() }
            }
          }
        }
      }
      #expect(await eventually { rig.client.inFlight == 0 })
      // Each try has 20 ms; a place that was lost would not come back.
      for loop in 0..<3 {
        #expect(await eventually { await rig.send(HTTPRequest(.get, "/0"), on: loop).text == "fine" })
      }
    }
  }

  @Test func `a call from outside the loops is made on one of them`() async throws {
    let upstream = try TestUpstream.answering(ok("fine"))
    try await ClientRig.with(upstream.url, loops: 2) { rig in
      for _ in 0..<10 {
        let response = try await rig.client.send(HTTPRequest(.get, "/x"), deadline: inMilliseconds(60_000))
        #expect(response.status == 200)
      }
      await #expect(throws: AdapterError.self) {
        try await rig.client.send(HTTPRequest(.get, "/x"), deadline: inMilliseconds(-1))
      }
    }
  }

  @Test func `after shutdown nothing is kept`() async throws {
    let upstream = try TestUpstream.answering(ok("fine"))
    try await ClientRig.with(upstream.url, loops: 2) { rig in
      for loop in 0..<2 { #expect(await rig.send(on: loop).text == "fine") }
      rig.client.shutdown()
      #expect(await eventually { await rig.connections() == 0 })
      #expect(await rig.send().text == "fine", "a call in flight still ends well")
      #expect(await eventually { await rig.connections() == 0 })
    }
  }

  @Test func `a client that is gone takes its pools with it`() async throws {
    let upstream = try TestUpstream.answering(ok("fine"))
    await withLoops(3) { group in
      weak var client: UpstreamClient?
      do {
        let made = UpstreamClient(
          baseURL: upstream.url, limits: .init(), credentialFields: [], group: group, resolver: Resolver())
        client = made
        _ = await task(on: group.loops[1]) {
          try? await made.send(HTTPRequest(.get, "/x"), deadline: inMilliseconds(60_000))
        }.value
        made.shutdown()
      }
      for loop in group.loops { _ = await onLoop(loop) { true } }
      #expect(client == nil)
      for loop in group.loops { #expect(await onLoop(loop) { loop.allObjects.isEmpty }) }
    }
  }

  @Test func `clients that ended held nothing any more`() {
    #expect(ClientRig.leftovers.all == [])
  }
}
