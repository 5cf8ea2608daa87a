import Foundation
import TestSupport
import Testing

/// A long body whose bytes follow from their position: an open brace, then a pattern whose period is a prime number. So
/// a lost, repeated or moved piece is noticed.
struct LongBody {
  enum Framing: String, CaseIterable { case length, chunked, close }

  let count: Int

  private static let period = 65_521
  /// The pattern twice, so that any piece of it is contiguous.
  private static let pattern: [UInt8] = (0..<2 * period).map { index in
    let place = index % period
    return UInt8(97 + (place &* 7 &+ place >> 8) % 26)
  }

  static func piece(at offset: Int, _ count: Int) -> ArraySlice<UInt8> {
    let start = offset % period
    return pattern[start..<start + min(count, period)]
  }

  /// Sends the head and the body up to `end`; false when the gateway has closed the connection.
  func send(to peer: UpstreamPeer, _ framing: Framing = .length, upTo end: Int? = nil, by size: Int = 65_521) -> Bool {
    let line =
      switch framing {
      case .length: "Content-Length: \(count)\r\n"
      case .chunked: "Transfer-Encoding: chunked\r\n"
      case .close: "Connection: close\r\n"
      }
    guard peer.send(Array("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\(line)\r\n".utf8)) else {
      return false
    }
    return sendBody(to: peer, framing, from: 0, upTo: end ?? count, by: size)
  }

  /// Sends a part of the body.
  func sendBody(to peer: UpstreamPeer, _ framing: Framing, from start: Int, upTo end: Int, by size: Int = 65_521)
    -> Bool
  {
    var offset = start
    while offset < end {
      let piece = offset == 0 ? [123] : Array(LongBody.piece(at: offset, min(size, end - offset)))
      let bytes =
        framing == .chunked
        ? Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10] : piece
      guard peer.send(bytes) else { return false }
      offset += piece.count
    }
    return framing != .chunked || end < count || peer.send(Array("0\r\n\r\n".utf8))
  }

  /// A step that responds with this body.
  func step(_ framing: Framing = .length, by size: Int = 65_521) -> UpstreamStep {
    UpstreamStep { _, peer, _ in send(to: peer, framing, by: size) && framing != .close }
  }

  /// Checks a body piece by piece.
  struct Check {
    private(set) var count = 0
    private(set) var isRight = true

    mutating func take(_ bytes: ArraySlice<UInt8>) {
      var rest = bytes
      if count == 0, let first = rest.popFirst() {
        isRight = first == 123
        count = 1
      }
      while !rest.isEmpty {
        let expected = LongBody.piece(at: count, rest.count)
        let isEqual = rest.withUnsafeBytes { rest in
          expected.withUnsafeBytes { memcmp(rest.baseAddress!, $0.baseAddress!, $0.count) == 0 }
        }
        if !isEqual { isRight = false }
        count += expected.count
        rest = rest.dropFirst(expected.count)
      }
    }
  }

  /// Expects this body next on a connection whose response has begun.
  func expectArrival(on connection: RawConnection, within seconds: Double) throws {
    var check = Check()
    try connection.receive(count, within: seconds) { check.take($0) }
    #expect(check.isRight && check.count == count)
  }

  func isEqual(to bytes: [UInt8]) -> Bool {
    var check = Check()
    check.take(bytes[...])
    return check.isRight && check.count == count
  }
}
