/// A value that must not be shown. Its description is a fingerprint that tells two secrets apart within one process and reveals
/// nothing else.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The value itself. Read it only where it is used, never where text is printed.
  public let exposed: String

  public init(_ value: String) { exposed = value }

  /// Six hexadecimal digits, keyed per process (the standard library seeds its hash at start).
  public var fingerprint: String {
    let hash = String(UInt64(bitPattern: Int64(exposed.hashValue)) & 0xFF_FFFF, radix: 16)
    return "#" + String(repeating: "0", count: 6 - hash.count) + hash
  }

  public var description: String { "Secret(\(fingerprint))" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
