import Foundation
import Synchronization
import TestSupport
import Testing

/// Realistic load: every response must equal the upstream's, the metrics must add up, and no resource may leak.
@Suite("Workloads", .blocking, .serialized)
struct WorkloadTests {
  typealias Question = Workload.Question

  @Test func `mixed routes, sizes, pauses, slow readers and disconnects yield correct responses and counts`() throws {
    let work = try Workload { $0.routes = ["values": ["coalesce": "true"], "history": ["coalesce": "true"]] }
    let sizes = [1, 2, 21, 100, 1_023, 16_384, 65_537, 262_144, 1_000_003, 4 << 20]
    let responded = Atomic(0)
    work.run(callers: 8) { number in
      var random = SeededGenerator(seed: number)
      var connection = try work.lab.connect()
      for turn in 0..<40 {
        let question: Question =
          switch random.below(10) {
          case 0...4: .values((0..<1 + random.below(20)).map { _ in "C_5001_AV_\(random.below(500))" })
          case 5...7: .history(sizes[random.below(sizes.count)] + random.below(3))
          case 8: .set("W_\(number)", turn)
          default: Question(path: Request.alarms, body: #"{"starttime":"\#(turn)"}"#, kind: .alarms)
          }
        let request = work.request(question)
        func finish(_ connection: RawConnection) throws {
          work.compare(try connection.receive(within: 20), with: question)
          responded.add(1, ordering: .relaxed)
        }
        switch random.below(20) {
        case 0:  // leaves before the response
          connection.send(request).socket.reset()
          connection = try work.lab.connect()
        case 1:  // leaves during the response
          let reader = try work.lab.connect(receiveBuffer: 8_192).send(request)
          _ = try reader.receiveHead(within: 20)
          reader.socket.reset()
          responded.add(1, ordering: .relaxed)
        case 2:  // closes its sending side and waits for the response
          connection.send(request).socket.finish()
          try finish(connection)
          if !connection.isClosed(within: 10) { work.note("the connection stayed open after its client had finished") }
          connection = try work.lab.connect()
        case 3...4:  // sends in two pieces
          let cut = 1 + random.below(request.count - 1)
          connection.send(Array(request[..<cut]))
          usleep(UInt32(random.below(20_000)))
          connection.send(Array(request[cut...]))
          try finish(connection)
        case 5:  // reads slowly
          let reader = try work.lab.connect(receiveBuffer: 8_192).send(request)
          usleep(UInt32(random.below(100_000)))
          try finish(reader)
        default:
          if number == 0, turn == 20 { work.upstream.revokeAccess() }
          try finish(connection.send(request))
        }
      }
    }
    try work.expectClean()
    let counted = try [Request.values, Request.history, Request.set, Request.alarms].reduce(0) {
      try $0 + work.counted($1)
    }
    let asked = 8 * 40 + 2  // with the two requests of expectHealthy
    #expect((responded.load(ordering: .relaxed) + 2...asked).contains(counted))
    // Calls with a rejected token are additional.
    let refused = try work.lab.metric("gateway_upstream_requests_total", ["class": "rejected_token"]) ?? 0
    #expect(work.upstream.dataCalls.count - Int(refused) <= counted)
  }

  @Test func `a long shared response is correct although some clients leave early and some read slowly`() throws {
    let work = try Workload(delay: 0.02) { $0.routes = ["history": ["coalesce": "true", "cache": "100ms"]] }
    let sizes = [2, 50_000, 1 << 20, 5 << 20]
    for size in sizes {
      let question = Question.history(size)
      work.run(callers: 16) { number in
        let connection = try work.lab.connect(receiveBuffer: number % 4 == 0 ? 8_192 : nil).send(work.request(question))
        switch number % 4 {
        case 0:
          usleep(50_000)
          work.compare(try connection.receive(within: 20), with: question)
        case 1 where number < 8:  // one of these may be the leader of the shared call
          connection.socket.reset()
        case 2 where number < 8:
          _ = try connection.receiveHead(within: 20)
          connection.socket.reset()
        default:
          work.compare(try connection.receive(within: 20), with: question)
        }
      }
    }
    #expect(work.upstream.dataCalls.count <= sizes.count * 16)
    #expect(try work.shared("identical", "cached") > 0)
    try work.expectClean()
  }

  /// Keys of the route for values.
  static let sharing: [[String: String]] = [
    [:], ["coalesce": "true"], ["coalesce": "true", "cache": "150ms", "stale": "300ms"],
    ["batch": "{window: 5ms, max: 40}"],
    ["coalesce": "true", "cache": "150ms", "stale": "300ms", "batch": "{window: 5ms, max: 40}"],
  ]

  @Test(arguments: sharing)
  func `10,000 lists of codes with skewed frequency yield correct responses and counts`(_ keys: [String: String]) throws
  {
    let work = try Workload(delay: 0.01) { $0.routes = ["values": keys] }
    let (callers, width, rounds) = (6, 10, 10)
    let sources = Mutex<[String: Int]>([:])
    work.run(callers: callers) { number in
      var random = SeededGenerator(seed: 1_000 + number)
      let connections = try (0..<width).map { _ in try work.lab.connect() }
      for _ in 0..<rounds {
        let questions = connections.map { _ in
          // The list with that number, which shares some codes with other lists.
          var list = SeededGenerator(seed: random.skewed(10_000))
          return Question.values((0..<1 + list.below(12)).map { _ in "C_5001_AV_\(list.below(2_000))" })
        }
        for (connection, question) in zip(connections, questions) { connection.send(work.request(question)) }
        for (connection, question) in zip(connections, questions) {
          let response = try connection.receive(within: 20)
          work.compare(response, with: question)
          let source = response["X-Gateway-Source"] ?? "none"
          if (source == "live") != (response["Age"] == nil) { work.note("unexpected Age for source \(source)") }
          sources.withLock { $0[source, default: 0] += 1 }
        }
      }
    }
    let requests = callers * width * rounds
    let calls = work.upstream.dataCalls.count
    try work.expectClean()
    #expect(try work.counted(Request.values, status: 200) == requests + 2, "with the two requests of expectHealthy")
    #expect(calls <= requests)
    let seen = sources.withLock { $0 }
    #expect(Set(seen.keys).isSubset(of: keys["cache"] == nil ? ["live"] : ["live", "cache", "stale"]), "\(seen)")
    if keys["batch"] == nil {
      let all = try calls + work.shared("identical", "cached")
      // The refresh of a stale response is an additional call.
      #expect(keys["stale"] == nil ? all == requests : all >= requests, "each request makes a call or shares one")
    } else {
      #expect(try work.shared("merged") > 0)
      #expect(calls < requests)
    }
    if keys.isEmpty { #expect(calls == requests) }
  }

  @Test func `bursts of identical requests at the expiry of a cached response cause one call each`() throws {
    let (life, delay) = (0.2, 0.03)
    let work = try Workload(delay: delay) { $0.routes = ["values": ["coalesce": "true", "cache": "200ms"]] }
    let question = Question.values(["C_5001_AV_0001", "C_5001_AV_0002"])
    let connections = try (0..<50).map { _ in try work.lab.connect() }
    var random = SeededGenerator(seed: 1)
    for _ in 0..<8 {
      if let last = work.upstream.dataCalls.last?.time {
        let end = last + delay + life + Double(random.below(7)) / 1000 - 0.005
        try eventually("the response's expiry") { MonotonicTime.now >= end }
      }
      let request = work.request(question)
      for connection in connections { connection.send(request) }
      for connection in connections { work.compare(try connection.receive(within: 20), with: question) }
    }
    let calls = work.upstream.dataCalls
    let pauses = zip(calls, calls.dropFirst()).map { $1.time - $0.time }
    #expect(pauses.allSatisfy { $0 >= life }, "a call while a response was valid or in flight: \(pauses)")
    #expect(calls.count > 1)
    #expect(try calls.count + work.shared("identical", "cached") == 8 * connections.count)
    for connection in connections { connection.socket.close() }
    try work.expectClean()
  }

  /// Keys of the route for values with which a wrong response would be cached for long.
  static let keeping: [[String: String]] = [
    ["coalesce": "true"], ["batch": "{window: 5ms, max: 40}"],
    ["coalesce": "true", "cache": "10s", "stale": "10s", "settle": "50ms"],
    ["coalesce": "true", "cache": "10s", "stale": "10s", "settle": "50ms", "batch": "{window: 5ms, max: 40}"],
  ]

  @Test(arguments: keeping)
  func `no read is older than an ended write or newer than a begun one`(_ keys: [String: String]) throws {
    let work = try Workload(delay: 0.005) { $0.routes = ["values": keys] }
    let points = (0..<3).map { "W_\($0)" }
    let question = Question.values(points)
    let begun = Mutex([0, 0, 0])
    let ended = Mutex([0, 0, 0])
    let isOver = Atomic(0)
    for number in points.indices {  // each value starts at 0
      #expect(try work.lab.call(work.request(.set(points[number], 0))).status == 200)
    }
    work.run(callers: 9) { number in
      let connection = try work.lab.connect()
      func read() throws {
        let least = ended.withLock { $0 }
        let response = try connection.send(work.request(question)).receive(within: 20)
        let most = begun.withLock { $0 }
        let values = response.values
        let source = response["X-Gateway-Source"] ?? "none"
        guard values.count == 3, zip(values, zip(least, most)).allSatisfy({ $1.0 <= $0 && $0 <= $1.1 }) else {
          return work.note("\(source): \(values) is not between \(least) and \(most)")
        }
      }
      guard number < points.count else {
        repeat { try read() } while isOver.load(ordering: .acquiring) < points.count
        return
      }
      defer { isOver.add(1, ordering: .releasing) }
      var random = SeededGenerator(seed: number)
      for value in 1...10 {
        begun.withLock { $0[number] = value }
        let response = try connection.send(work.request(.set(points[number], value))).receive(within: 20)
        guard response.status == 200 else { return work.note("a write: \(response.status) \(response.text)") }
        ended.withLock { $0[number] = value }
        try read()
        // Sometimes long enough for responses to be cached again.
        if random.below(3) == 0 { usleep(80_000) }
      }
    }
    #expect(try keys["cache"] == nil || work.shared("cached") > 0, "responses are cached between the writes")
    try work.expectClean()
  }

  @Test func `requests beyond the upstream's limits are served or refused, and the limit of calls holds`() throws {
    let work = try Workload(delay: 0.01) { configuration in
      configuration.adapters["main"]?.settings["max_in_flight"] = "3"
      configuration.adapters["main"]?.settings["queue"] = "{size: 6, wait: 100ms}"
    }
    let served = Atomic(0)
    let refused = Atomic(0)
    work.run(callers: 8) { number in
      var random = SeededGenerator(seed: number)
      let connections = try (0..<4).map { _ in try work.lab.connect() }
      for turn in 0..<8 {
        let questions = connections.indices.map { index in
          switch random.below(4) {
          case 0: Question.history(1 + random.below(30_000))
          case 1: Question.set("W_\(number)_\(index)", turn)
          default: Question.values(["C_5001_AV_\(random.below(500))"])
          }
        }
        for (connection, question) in zip(connections, questions) { connection.send(work.request(question)) }
        for (connection, question) in zip(connections, questions) {
          let response = try connection.receive(within: 20)
          if response.status == 503, response["Retry-After"] != nil, response.errorCode == "overloaded" {
            refused.add(1, ordering: .relaxed)
          } else {
            work.compare(response, with: question)
            served.add(1, ordering: .relaxed)
          }
        }
      }
    }
    #expect(work.upstream.dataCalls.count == served.load(ordering: .relaxed))
    #expect(refused.load(ordering: .relaxed) > 0)
    #expect(work.source.mostAtOnce <= 3)
    try work.expectClean()
  }
}
