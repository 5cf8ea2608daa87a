import AdapterAPI
import Testing

@testable import Host

@Suite struct PostgresPoolStateTests {
  private var state = PostgresPoolState<Int>(size: 2)
  private var now = Instant(nanoseconds: 0)
  private let away = StoreError(.unavailable, "away")

  private mutating func admit(_ job: Int) -> String {
    switch state.admit(job, id: UInt64(job), due: now + .seconds(5), at: now) {
    case .start(let index): "start \(index)"
    case .wake(let index): "wake \(index)"
    case .queued: "queued"
    case .refused(let error): "refused \(error.message)"
    }
  }

  private mutating func step(_ index: Int) -> String {
    switch state.step(index, at: now) {
    case .work(let job, let reuse): "\(job) \(reuse ? "again" : "fresh")"
    case .wait: "wait"
    case .end: "end"
    }
  }

  private mutating func fail(_ index: Int, isSilent: Bool = false) -> [Int] {
    state.failed(index, away, isSilent: isSilent, at: now)
  }

  /// Gives both workers a connection and no job.
  private mutating func connectBoth() {
    for index in 0...1 {
      _ = admit(index)
      _ = step(index)
      state.connected(index)
    }
    for index in 0...1 { #expect(step(index) == "wait") }
  }

  @Test mutating func `workers start on demand, and jobs run in order of arrival`() {
    #expect(admit(1) == "start 0")
    #expect(step(0) == "1 fresh")
    state.connected(0)
    #expect(admit(2) == "start 1")
    #expect([admit(3), admit(4)] == ["queued", "queued"])
    #expect(step(0) == "3 again")
    #expect(step(1) == "2 fresh")
    #expect(step(0) == "4 again")
    #expect(step(0) == "wait")
    #expect(admit(5) == "wake 0")
  }

  @Test mutating func `a cancelled job leaves the queue, and the queue is bounded`() {
    connectBoth()
    #expect([admit(1), admit(2)] == ["wake 0", "wake 1"])
    for job in 100..<164 { #expect(admit(job) == "queued") }
    #expect(admit(164) == "refused " + StoreError.postgresBusy.message)
    state.remove(130)
    #expect(admit(165) == "queued")
    #expect(step(0) == "1 again")
    for job in 100..<164 where job != 130 { #expect(step(0) == "\(job) again") }
    #expect(step(0) == "165 again")
  }

  @Test mutating func `while the server is unavailable, one caller at a time connects, at growing intervals`() {
    #expect(admit(1) == "start 0")
    #expect(step(0) == "1 fresh")
    #expect(admit(2) == "start 1")
    #expect(step(1) == "2 fresh")
    #expect(admit(3) == "queued")
    #expect(fail(0) == [3])
    #expect(fail(1) == [])
    #expect([step(0), step(1)] == ["wait", "wait"])
    var delay = Duration.milliseconds(100)
    for _ in 0..<8 {
      #expect(admit(4) == "refused away")
      now = now + (delay - .milliseconds(1))
      #expect(admit(4) == "refused away")
      now = now + .milliseconds(1)
      #expect(admit(5) == "wake 0")
      #expect(admit(6) == "refused away")
      #expect(step(0) == "5 fresh")
      #expect(admit(7) == "refused away")
      #expect(fail(0) == [])
      #expect(step(0) == "wait")
      delay = min(delay * 2, .seconds(2))
    }
    now = now + .seconds(2)
    #expect(admit(8) == "wake 0")
    #expect(step(0) == "8 fresh")
    state.connected(0)
    #expect(admit(9) == "wake 1")
  }

  @Test mutating func `a connection attempt without a result admits the next one`() {
    _ = admit(1)
    _ = step(0)
    _ = fail(0)
    _ = step(0)
    now = now + .seconds(1)
    #expect(admit(2) == "wake 0")
    #expect(step(0) == "2 fresh")
    // The attempt ended without information about the server.
    #expect(step(0) == "wait")
    #expect(admit(3) == "wake 0")
  }

  @Test mutating func `a working connection serves the queue while a second one can't be made`() {
    _ = admit(1)
    _ = step(0)
    state.connected(0)
    #expect(admit(2) == "start 1")
    #expect(step(1) == "2 fresh")
    #expect(admit(3) == "queued")
    #expect(fail(1) == [])
    #expect(step(1) == "wait")
    #expect(admit(4) == "queued")
    #expect(step(0) == "3 again")
    #expect(step(0) == "4 again")
    #expect(admit(5) == "queued")
    // When that connection breaks off too, no job is left waiting.
    #expect(state.disconnected(0) == [5])
  }

  @Test mutating func `a silent server makes idle connections suspect, but not busy ones`() {
    connectBoth()
    #expect(admit(1) == "wake 0")
    #expect(step(0) == "1 again")
    #expect(fail(0, isSilent: true) == [])
    #expect(step(0) == "wait")
    #expect(admit(2) == "refused away")
    now = now + .milliseconds(100)
    #expect(admit(3) == "wake 0")
    #expect(step(0) == "3 fresh")
  }

  @Test mutating func `when all workers are blocked, callers are refused`() {
    #expect([admit(1), admit(2), admit(3)] == ["start 0", "start 1", "queued"])
    now = now + .seconds(9)
    #expect(admit(4) == "queued")
    now = now + .milliseconds(1)
    #expect(admit(5) == "refused " + StoreError.postgresSilent.message)
  }

  @Test mutating func `closing serves waiting jobs and refuses new ones`() {
    _ = admit(1)
    _ = admit(2)
    #expect(admit(3) == "queued")
    #expect(state.close() == [])
    #expect(admit(4) == "refused " + StoreError.closed.message)
    #expect(step(0) == "1 fresh")
    #expect(step(0) == "3 fresh")
    #expect(step(0) == "end")
  }

  @Test mutating func `a thread that can't be created leaves no job behind`() {
    #expect(admit(1) == "start 0")
    #expect(state.ended(0) == [1])
    #expect(admit(2) == "start 0")
  }
}
