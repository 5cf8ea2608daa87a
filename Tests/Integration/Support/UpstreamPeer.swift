import Foundation
import Synchronization
import TestSupport

/// One connection that the scripted upstream has accepted.
final class UpstreamPeer: Sendable {
  private struct State {
    var isIdle = true
    var isDone = false
    var isGone = false
    var served = 0
    var sent = 0
    var buffer: [UInt8] = []
  }

  let number: Int
  private let socket: TestSocket
  private let state = Mutex(State())

  init(_ socket: TestSocket, number: Int) {
    self.socket = socket
    self.number = number
  }

  /// Waits for a request.
  var isIdle: Bool { state.withLock { $0.isIdle && !$0.isDone } }
  /// A step is running.
  var isBusy: Bool { state.withLock { !$0.isIdle && !$0.isDone } }
  /// The gateway closed it or reset it while a step was running.
  var isGone: Bool { state.withLock { $0.isGone } }
  /// Body and head bytes that the kernel took.
  var sent: Int { state.withLock { $0.sent } }

  /// Ends it from outside.
  func end() {
    state.withLock { if !$0.isDone { socket.shutDown() } }
  }

  /// False when the gateway is gone.
  func send(_ bytes: [UInt8]) -> Bool {
    let isTaken = socket.send(bytes, until: MonotonicTime.now + 60)
    state.withLock { state in
      if isTaken { state.sent += bytes.count } else { state.isGone = true }
    }
    return isTaken
  }

  /// Waits, but not longer than the gateway stays; false when it went.
  func wait(_ seconds: Double) -> Bool {
    let end = MonotonicTime.now + seconds
    return wait { MonotonicTime.now >= end }
  }

  /// The same, until the gate is open.
  func wait(for gate: Gate) -> Bool { wait { gate.isOpen } }

  private func wait(until isOver: () -> Bool) -> Bool {
    while !isOver() {
      if socket.hasEnd {
        state.withLock { $0.isGone = true }
        return false
      }
      usleep(5000)
    }
    return true
  }

  func reset() { finish { socket.reset() } }
  func finish() { finish { socket.close() } }

  /// Under the lock, so that nobody shuts down a descriptor that already belongs to someone else.
  private func finish(_ close: () -> Void) {
    state.withLock { state in
      if !state.isDone { close() }
      state.isDone = true
    }
  }

  func finishedCall() {
    state.withLock { state in
      state.served += 1
      state.isIdle = true
    }
  }

  /// The next request, or nil at the end.
  func receive() -> ScriptedUpstream.Call? {
    var buffer = state.withLock { $0.buffer }
    while true {
      if let (call, used) = parse(buffer) {
        state.withLock { state in
          state.isIdle = false
          state.buffer = Array(buffer[used...])
        }
        return call
      }
      guard let bytes = socket.receive(until: .infinity), !bytes.isEmpty else { return nil }
      buffer += bytes
    }
  }

  private func parse(_ buffer: [UInt8]) -> (call: ScriptedUpstream.Call, used: Int)? {
    guard let end = buffer.firstRange(of: [13, 10, 13, 10]) else { return nil }
    let head = String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
    let lines = head.components(separatedBy: "\r\n")
    let fields = lines.dropFirst().compactMap { line -> (name: String, value: String)? in
      guard let colon = line.firstIndex(of: ":") else { return nil }
      return (String(line[..<colon]), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
    }
    let length = fields.first { $0.name.lowercased() == "content-length" }.flatMap { Int($0.value) } ?? 0
    guard buffer.count - end.upperBound >= length else { return nil }
    let target = lines[0].components(separatedBy: " ").dropFirst().first ?? ""
    let parts = URLComponents(string: target)
    var query: [String: String] = [:]
    for item in parts?.queryItems ?? [] { query[item.name] = item.value }
    let (served, used) = (state.withLock { $0.served }, end.upperBound + length)
    let call = ScriptedUpstream.Call(
      kind: kind(path: parts?.path ?? "", query: query), connection: number, precedingOnConnection: served, head: head,
      body: Array(buffer[end.upperBound..<used]), query: query, fields: fields)
    return (call, used)
  }

  private func kind(path: String, query: [String: String]) -> ScriptedUpstream.Call.Kind {
    let prefix = "/_webtalk/_cur/api/"
    guard path.hasPrefix(prefix) else { return .other }
    switch path.dropFirst(prefix.count) {
    case "access_token": return query["grant_type"] == "refresh" ? .refresh : .authorization
    case "getCodesVal": return .values
    case "getCodesHisVal": return .history
    case "setCodesVal": return .set
    case "forceSetCodesVal": return .forceSet
    case "getHisAlarms": return .alarms
    case "getAlarmConfigs": return .alarmConfigs
    default: return .other
    }
  }
}
