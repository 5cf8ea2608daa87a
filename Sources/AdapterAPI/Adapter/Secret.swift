/// A value that must not be seen: its description is a fingerprint that tells two secrets apart within one process and says
/// nothing more.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The value itself. Ask for it where it is used, never where something is printed.
  public let exposed: String

  public init(_ value: String) { exposed = value }

  /// Six hexadecimal digits, keyed per process (the standard library's hash is seeded at start).
  public var fingerprint: String {
    let hash = String(UInt64(bitPattern: Int64(exposed.hashValue)) & 0xff_ffff, radix: 16)
    return "#" + String(repeating: "0", count: 6 - hash.count) + hash
  }

  public var description: String { "Secret(\(fingerprint))" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
