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

  /// Whether the connection waits for a request.
  var isIdle: Bool { state.withLock { $0.isIdle && !$0.isDone } }
  /// Whether a step is running.
  var isBusy: Bool { state.withLock { !$0.isIdle && !$0.isDone } }
  /// Whether the gateway closed or reset the connection while a step was running.
  var isGone: Bool { state.withLock { $0.isGone } }
  /// The bytes that the kernel has accepted, heads included.
  var sent: Int { state.withLock { $0.sent } }

  /// Shuts the connection down from another thread.
  func end() {
    state.withLock { if !$0.isDone { socket.shutDown() } }
  }

  /// Sends bytes; false when the gateway has closed the connection.
  func send(_ bytes: [UInt8]) -> Bool {
    let isTaken = socket.send(bytes, until: MonotonicTime.now + 60)
    state.withLock { state in
      if isTaken { state.sent += bytes.count } else { state.isGone = true }
    }
    return isTaken
  }

  /// Waits; false when the gateway closes the connection before the time ends.
  func wait(_ seconds: Double) -> Bool {
    let end = MonotonicTime.now + seconds
    return wait { MonotonicTime.now >= end }
  }

  /// Waits until the gate is open; false when the gateway closes the connection before.
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

  /// Closes under the lock, so that `end` never shuts down a descriptor that the kernel has reused.
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

  /// Receives the next request; nil at the end of the connection.
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
