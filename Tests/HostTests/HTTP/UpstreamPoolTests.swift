import AdapterAPI
import Foundation
import TestSupport
import Testing

@testable import Host

@Suite(.blocking) struct UpstreamPoolTests {
  @Test func `requests beyond max_in_flight wait, and those beyond the queue are refused`() async throws {
    let signal = ThreadSignal()
    let upstream = try ScriptedUpstream.answering(ok("fine"), after: signal)
    try await ClientRig.with(
      upstream.url, [{ $0.maxInFlight = 2 }, { $0.queueSize = 3 }, { $0.queueWait = .seconds(20) }]
    ) { rig in
      let running = [rig.start(), rig.start()]
      #expect(await eventually { upstream.requests.count == 2 })
      let waiting = (0..<3).map { _ in rig.start() }
      var refused: Result<HTTPResponse, AdapterError>?
      #expect(
        await eventually {
          refused = await rig.send(within: 1)
          return refused?.detail?.contains("queue is full") == true
        })
      #expect(refused?.code == .overloaded)
      signal.signal()
      for call in running + waiting { #expect(await call.value.text == "fine") }
      #expect(upstream.peers.count == 2)
    }
  }

  @Test func `a request that waited longer than queue.wait is refused, and a later one is sent`() async throws {
    let signal = ThreadSignal()
    let upstream = try ScriptedUpstream.answering(ok("fine"), after: signal)
    try await ClientRig.with(
      upstream.url, [{ $0.maxInFlight = 1 }, { $0.queueWait = .milliseconds(50) }]
    ) { rig in
      let running = rig.start()
      #expect(await eventually { upstream.requests.count == 1 })
      for _ in 0..<3 { #expect(await rig.send().code == .overloaded) }
      signal.signal()
      #expect(await running.value.text == "fine")
      #expect(await rig.send().text == "fine", "the waiters that gave up are gone")
    }
  }

  @Test func `an idle connection on another loop is used when no further one may be opened`() async throws {
    try await ClientRig.with(
      answering: ok("fine"), loops: 3, [{ $0.maxConnections = 1 }, { $0.maxInFlight = 1 }]
    ) { rig, upstream in
      for number in 0..<30 {
        // In less time than an idle connection lives.
        #expect(await rig.send(on: number % 3, within: 50_000).text == "fine")
      }
      #expect(upstream.peers.count == 1)
    }
  }

  @Test func `a long response on a connection of another loop streams to its end`() async throws {
    let body = String(repeating: "x", count: 3_000_000)
    try await ClientRig.with(
      answering: ok(body), loops: 2, [{ $0.maxConnections = 1 }, { $0.maxInFlight = 1 }]
    ) { rig, upstream in
      for number in 0..<6 {
        let result = await rig.send(on: number % 2)
        let (bytes, error) = await task(on: rig.group.loops[number % 2]) { await result.readAll() }.value
        #expect(bytes.count == body.utf8.count && error == nil)
      }
      #expect(upstream.peers.count == 1)
    }
  }

  @Test func `a dead connection on another loop is replaced`() async throws {
    let upstream = try ScriptedUpstream { peer in
      // The second request on a connection finds it closed.
      if peer.takeRequest() != nil { peer.send(ok("fine")) }
      if peer.takeRequest() != nil { peer.socket.reset() }
    }
    try await ClientRig.with(
      upstream.url, loops: 2, [{ $0.maxConnections = 1 }, { $0.maxInFlight = 1 }, { $0.readRetries = 0 }]
    ) { rig in
      for number in 0..<6 { #expect(await rig.send(on: number % 2).text == "fine") }
    }
  }

  @Test func `a connection that was returned in this turn of the loop can be closed for its permit`() async throws {
    let upstream = try ScriptedUpstream.answering(ok("fine"))
    let (address, url) = (upstream.address, upstream.url)
    await withLoop { loop in
      let permits = Permits(limit: 1)
      let inUse = await task(on: loop) { () -> [Int] in
        let pool = UpstreamPool(
          loop: loop, options: UpstreamOptions(), requests: Permits(limit: 1), connections: permits,
          serializer: RequestSerializer(url))
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

  @Test func `a thousand requests of four loops over three connections all get their responses`() async throws {
    try await ClientRig.with(
      answering: ok("fine"), loops: 4,
      [
        { $0.maxConnections = 3 }, { $0.maxInFlight = 3 }, { $0.queueSize = 10_000 },
        { $0.queueWait = .seconds(60) },
      ]
    ) { rig, upstream in
      let good = Collected<Bool>()
      let bad = Collected<String>()
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<40 {
          tasks.addTask {
            for round in 0..<25 {
              let result = await rig.send(worker % 5 == 0 ? write : HTTPRequest(.get, "/x"), on: (worker + round) % 4)
              if result.text == "fine" { good.add(true) } else { bad.add("\(result)") }
            }
          }
        }
      }
      #expect(good.count == 1_000)
      #expect(bad.all.prefix(3) == [])
      #expect(await rig.connections() <= 3)
      // A request that has waited uses an open connection, on whichever loop that is.
      #expect(upstream.peers.count < 100, "not one for nearly every request")
    }
  }

  @Test func `requests that end in every way at the same time lose no permit`() async throws {
    let upstream = try ScriptedUpstream { peer in
      var served = 0
      while let request = peer.takeRequest() {
        served += 1
        switch request.startLine.split(separator: " ")[1].last {
        case "0": peer.send(ok("fine"))
        case "1": return peer.socket.reset()
        case "2": peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz")
        case "3": peer.send(ok(String(repeating: "x", count: 300_000)))
        case "4": peer.socket.sendAndFinish(ok("last"))
        default: _ = peer.socket.isReadable(within: 20)
        }
      }
    }
    try await ClientRig.with(
      upstream.url, loops: 3,
      [
        { $0.maxConnections = 4 }, { $0.maxInFlight = 4 }, { $0.queueSize = 20 },
        { $0.queueWait = .milliseconds(20) }, { $0.firstByteTimeout = .milliseconds(20) },
      ]
    ) { rig in
      await withTaskGroup(of: Void.self) { tasks in
        for worker in 0..<24 {
          tasks.addTask {
            var random = SeededGenerator(seed: worker + 1)
            for _ in 0..<30 {
              let kind = Int.random(in: 0..<6, using: &random)
              var request = HTTPRequest(.post, "/\(kind)")
              request.isWrite = Bool.random(using: &random)
              let call = rig.start(request, on: Int.random(in: 0..<3, using: &random), within: 20_000)
              if Int.random(in: 0..<4, using: &random) == 0 { call.cancel() }
              let result = await call.value
              if Bool.random(using: &random) { _ = await result.readAll() }
            }
          }
        }
      }
      #expect(await eventually { rig.client.inFlight == 0 })
      // Each attempt has 20 ms; a permit that was lost would not come back.
      for loop in 0..<3 {
        #expect(await eventually { await rig.send(HTTPRequest(.get, "/0"), on: loop).text == "fine" })
      }
    }
  }

  @Test func `a request from outside the loops is sent on one of them`() async throws {
    try await ClientRig.with(answering: ok("fine"), loops: 2) { rig, _ in
      for _ in 0..<10 {
        let response = try await rig.client.send(HTTPRequest(.get, "/x"), deadline: inMilliseconds(60_000))
        #expect(response.status == 200)
      }
      await #expect(throws: AdapterError.self) {
        try await rig.client.send(HTTPRequest(.get, "/x"), deadline: inMilliseconds(-1))
      }
    }
  }

  @Test func `after shutdown no connection stays idle, and a request in flight still gets its response`() async throws {
    try await ClientRig.with(answering: ok("fine"), loops: 2) { rig, _ in
      for loop in 0..<2 { #expect(await rig.send(on: loop).text == "fine") }
      rig.client.shutdown()
      #expect(await eventually { await rig.connections() == 0 })
      #expect(await rig.send().text == "fine", "a request in flight still gets its response")
      #expect(await eventually { await rig.connections() == 0 })
    }
  }

  @Test func `a client that is released leaves no pools and no connections behind`() async throws {
    let upstream = try ScriptedUpstream.answering(ok("fine"))
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

  @Test func `clients that ended held no permits and no connections`() {
    #expect(ClientRig.leftovers.all == [])
  }
}
