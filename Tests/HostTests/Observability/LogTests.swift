import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct LogTests {
  @Test func `a JSON line holds time, level, message and typed fields`() throws {
    let (line, object) = try logged(level: .debug) { log in
      log.warning(
        "a thing \"happened\"", [("name", .string("a\"b\n\u{1B}[31m")), ("count", 3), ("good", true), ("word", "x")])
    }
    #expect(object["level"] as? String == "warning")
    #expect(object["msg"] as? String == "a thing \"happened\"")
    #expect(object["name"] as? String == "a\"b\n\u{1B}[31m")
    #expect(object["count"] as? Int == 3)
    #expect(object["good"] as? Bool == true)
    #expect(object["word"] as? String == "x")
    #expect(!line.utf8.contains(0x1B))
    let time = try #require(object["time"] as? String)
    #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
  }

  @Test func `a text line has date, time and zone, level and message, and quotes values that are not one plain word`()
    throws
  {
    let line = try logged(format: .text) { log in
      log.info("started", [("path", "/api"), ("empty", ""), ("two", "a b"), ("sign", "a=b"), ("line", "a\nb")])
    }.text
    let expected =
      #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO  started path=/api empty="" two="a b" sign="a=b" line="a\\nb"/#
    #expect(line.wholeMatch(of: expected) != nil, "\(line)")
  }

  @Test func `a level that is off writes nothing and does not evaluate its fields`() throws {
    let pipe = try TestPipe()
    let log = Log(level: .warning, descriptor: pipe.writeEnd)
    func never() -> [LogField] {
      Issue.record("the fields of a level that is off were built")
      return []
    }
    log.info("no", never())
    log.log(.debug, "no", [("key", "value")])
    log.error("yes")
    log.configure(LogOptions(level: .debug, format: .text, access: true))
    log.debug("yes too")
    log.flush()
    let lines = pipe.readLines(2)
    #expect(lines.count == 2)
    #expect(lines.first?.contains("\"msg\":\"yes\"") == true)
    #expect(lines.last?.hasSuffix(" DEBUG yes too") == true)
  }

  @Test func `the log of an adapter names the adapter in every line`() throws {
    let line = try logged { $0.forAdapter("main").log(.info, "token refreshed", [("expires", "soon")]) }.text
    #expect(line.hasSuffix(#""msg":"token refreshed","adapter":"main","expires":"soon"}"#), "\(line)")
  }

  @Test func `a secret in a field shows as its fingerprint`() throws {
    let line = try logged { $0.info("key", [("secret", "\(Secret("do-not-show"))")]) }.text
    #expect(!line.contains("do-not-show"))
    #expect(line.contains("Secret(#"))
  }

  @Test func `a log without a reader does not block callers, and reports the number of dropped lines`() throws {
    let pipe = try TestPipe()
    let log = Log(descriptor: pipe.writeEnd, capacity: 64 << 10)
    let written = 5000
    for number in 0..<written {
      log.info("filler", [("n", .int(number)), ("text", .string(String(repeating: "x", count: 100)))])
    }
    #expect(!log.flush(timeout: .milliseconds(50)), "without a reader the lines can't be written completely")
    let lost = log.lost
    #expect(lost > 0)
    // The reports of dropped lines are extra; written and dropped lines must add up to the logged ones.
    let reader = pipe.readInBackground()
    #expect(log.flush(timeout: .seconds(20)))
    pipe.closeWriteEnd()
    let lines = reader.wait()
    var fillers = 0
    var reported = 0
    for line in lines {
      let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      if object["msg"] as? String == "filler" { fillers += 1 }
      reported += object["dropped"] as? Int ?? 0
    }
    #expect(reported == lost)
    #expect(fillers + reported == written)
  }

  @Test func `a closed reader neither ends the process nor blocks the log`() throws {
    let pipe = try TestPipe()
    pipe.closeReadEnd()
    let log = Log(descriptor: pipe.writeEnd)
    for _ in 0..<100 { log.info("into the void") }
    #expect(log.flush(timeout: .seconds(20)))
  }

  @Test func `lines of many threads are not mixed`() async throws {
    let pipe = try TestPipe()
    let reader = pipe.readInBackground()
    do {
      let log = Log(descriptor: pipe.writeEnd, capacity: 4 << 20)
      await withTaskGroup(of: Void.self) { group in
        for task in 0..<8 {
          group.addTask { for number in 0..<200 { log.info("line", [("task", .int(task)), ("n", .int(number))]) } }
        }
      }
      #expect(log.flush(timeout: .seconds(20)))
    }
    pipe.closeWriteEnd()
    let lines = reader.wait()
    #expect(lines.count == 1600)
    #expect(Set(lines.map { $0.drop(while: { $0 != "," }) }).count == 1600)
  }

  @Test func `lines in quick succession are written together`() throws {
    // Each write to a datagram socket is one message.
    var ends: [Int32] = [0, 0]
    try #require(socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0, &ends) == 0)
    defer { for end in ends { close(end) } }
    let log = Log(descriptor: ends[0])
    for number in 0..<500 { log.info("line", [("n", .int(number))]) }
    #expect(log.flush(timeout: .seconds(20)))
    var (messages, lines) = (0, 0)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while lines < 500 {
      let count = recv(ends[1], &buffer, buffer.count, Int32(MSG_DONTWAIT))
      guard count > 0 else { break }
      messages += 1
      lines += buffer[..<count].count { $0 == 0x0A }
    }
    #expect(lines == 500)
    #expect(messages < 250)
  }
}
