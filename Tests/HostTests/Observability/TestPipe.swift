import AdapterAPI
import Foundation
import Synchronization
import Testing

@testable import Host

/// A pipe as the log's descriptor.
final class TestPipe: Sendable {
  let writeEnd: Int32
  private let readEnd: Int32
  private let open = Mutex((read: true, write: true))

  struct Failure: Error {}

  init() throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw Failure() }
    readEnd = ends[0]
    writeEnd = ends[1]
  }

  deinit {
    closeReadEnd()
    closeWriteEnd()
  }

  func closeReadEnd() {
    open.withLock { open in
      if open.read { close(readEnd) }
      open.read = false
    }
  }

  func closeWriteEnd() {
    open.withLock { open in
      if open.write { close(writeEnd) }
      open.write = false
    }
  }

  /// Reads until there are that many lines, or the pipe ends.
  func readLines(_ count: Int) -> [String] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while bytes.count(where: { $0 == 0x0A }) < count {
      let got = read(readEnd, &buffer, buffer.count)
      if got <= 0 { break }
      bytes.append(contentsOf: buffer[..<got])
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// Reads everything on another thread.
  func readInBackground() -> Reader {
    let reader = Reader()
    Thread { [self] in reader.finish(readLines(.max)) }.start()
    return reader
  }

  final class Reader: Sendable {
    private let lines = Mutex<[String]>([])
    private let done = DispatchSemaphore(value: 0)

    fileprivate func finish(_ all: [String]) {
      lines.withLock { $0 = all }
      done.signal()
    }

    func wait() -> [String] {
      done.wait()
      return lines.withLock { $0 }
    }
  }
}

/// Returns the first line that a log writes, as text and as an object where it is JSON.
func logged(
  level: LogLevel = .info, format: Log.Format = .json, access: Bool = true, _ write: (Log) -> Void
) throws -> (text: String, object: [String: Any]) {
  let pipe = try TestPipe()
  let log = Log(level: level, format: format, access: access, descriptor: pipe.writeEnd)
  write(log)
  #expect(log.flush())
  let line = try #require(pipe.readLines(1).first)
  guard format == .json else { return (line, [:]) }
  return (line, try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]))
}
