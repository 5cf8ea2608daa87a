import Foundation

/// A shell that waits for the end of this process, kills included, and cleans up after it.
public final class Watchdog: Sendable {
  /// The shell reads the other end, which closes when this process ends.
  private let lifeline: Int32

  /// - Parameters:
  ///   - script: the script that `sh` runs after the end.
  ///   - argument: the script's `$1`.
  public init(_ script: String, _ argument: String) throws {
    let (own, other) = try Command.channel()
    defer { close(other) }
    lifeline = own
    var command = Command(
      ["/bin/sh", "-c", "cat >/dev/null\n" + script, "pointgate-watchdog", argument],
      environment: PostgresPrograms.environment)
    command.input = .descriptor(other)
    command.isDetached = true
    _ = try command.spawn()
  }
}
