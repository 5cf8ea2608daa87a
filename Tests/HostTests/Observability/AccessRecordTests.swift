import Foundation
import Testing

@testable import Host

@Suite struct AccessRecordTests {
  private func record(path: [UInt8]) -> AccessRecord {
    AccessRecord(
      requestID: "r-1", method: "POST", route: "/api/iot/codes/values", path: path, status: 200, bytes: 120,
      nanoseconds: 1_234_567, remote: "127.0.0.1:5000")
  }

  private func line(_ record: AccessRecord) throws -> [String: Any] { try logged { $0.access(record) }.object }

  @Test func `a request writes one access log entry with its outcome`() throws {
    var record = record(path: Array("/api/iot/codes/values".utf8))
    record.adapter = "main"
    record.operation = "values"
    record.subject = "u1"
    record.source = "live"
    record.upstreamStatus = 200
    record.upstreamClass = .businessError
    let object = try line(record)
    #expect(object["msg"] as? String == "request")
    #expect(object["requestId"] as? String == "r-1")
    #expect(object["durationMs"] as? Double == 1.234)
    #expect(object["status"] as? Int == 200)
    #expect(object["upstreamClass"] as? String == "business_error")
    #expect(
      Set(object.keys) == [
        "time", "level", "msg", "requestId", "method", "route", "path", "status", "bytes", "durationMs", "adapter",
        "operation",
        "subject", "remote", "source", "upstreamStatus", "upstreamClass",
      ])
  }

  @Test func `the query string is never logged`() throws {
    let object = try line(record(path: Array("/api/iot/stream?ticket=secret".utf8)))
    #expect(object["path"] as? String == "/api/iot/stream")
  }

  @Test func `a long path is cut and invalid UTF-8 in it is replaced`() throws {
    let long = try line(record(path: [UInt8](repeating: 0x61, count: 8000)))
    #expect(long["path"] as? String == String(repeating: "a", count: 256) + "…")
    let odd = try line(record(path: [0x2F, 0xFF, 0x0A]))
    #expect(odd["path"] as? String == "/\u{FFFD}\n")
  }

  @Test func `access: false switches off the access log only`() throws {
    let line = try logged(access: false) { log in
      log.access(record(path: [0x2F]))
      log.info("marker")
    }
    #expect(line.text.contains("marker"))
  }
}
