import CLinux
import Glibc

/// A pipe in the kernel, through which bytes go from one socket to another without being copied (splice(2)).
struct Pipe {
  let input: Int32
  let output: Int32
  /// The number of bytes to move into it at once.
  let capacity: Int
}

/// One loop's pipes: taken while bytes are in them, then reused. Touched by its loop's thread only.
struct PipePool {
  /// The largest number of open pipes; without a pipe, bytes are copied. Each has two descriptors, and counts for the kernel's limit
  /// per user (pipe(7)).
  static let limit = 128
  /// The largest number of free pipes.
  static let maxFree = 16
  /// A long response comes in bursts of about this size. The kernel may allow less.
  private static let wantedCapacity = 256 << 10

  private var free: [Pipe] = []
  private(set) var open = 0

  /// Returns an empty pipe, or nil at the limit.
  mutating func take() -> Pipe? {
    if let pipe = free.popLast() { return pipe }
    guard open < PipePool.limit else { return nil }
    var ends: [Int32] = [0, 0]
    guard pipe2(&ends, O_NONBLOCK | O_CLOEXEC) == 0 else { return nil }
    open += 1
    _ = fcntl(ends[1], PG_F_SETPIPE_SZ, Int32(PipePool.wantedCapacity))
    let capacity = Int(fcntl(ends[1], PG_F_GETPIPE_SZ))
    return Pipe(input: ends[1], output: ends[0], capacity: max(4096, capacity))
  }

  /// Takes back a pipe. A pipe that still holds bytes is closed, for its next user would send them to another client. The kernel
  /// says whether it is empty, so no count has to be trusted.
  mutating func giveBack(_ pipe: Pipe) {
    var count: Int32 = 0
    let isEmpty = ioctl(pipe.output, UInt(FIONREAD), &count) == 0 && count == 0
    if isEmpty, free.count < PipePool.maxFree { return free.append(pipe) }
    System.close(pipe.input)
    System.close(pipe.output)
    open -= 1
  }

  /// Closes the free pipes, for the loop ends.
  func closeAll() {
    for pipe in free {
      System.close(pipe.input)
      System.close(pipe.output)
    }
  }
}
