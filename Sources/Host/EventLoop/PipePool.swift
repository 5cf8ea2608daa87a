import CLinux
import Glibc

/// A pipe in the kernel, through which bytes go from one socket to another without being copied (splice(2)).
struct Pipe {
  let input: Int32
  let output: Int32
  /// How many bytes it is asked to take at once.
  let capacity: Int
}

/// One loop's pipes: taken while bytes are in them, and kept for the next. Touched by its loop's thread only.
struct PipePool {
  /// Open at once; who gets none copies. Each is two descriptors, and counts for what the kernel allows one user (pipe(7)).
  static let limit = 128
  /// Empty ones that are kept.
  static let kept = 16
  /// A long answer comes in bursts of about this size. The kernel may allow less.
  private static let wantedCapacity = 256 << 10

  private var free: [Pipe] = []
  private(set) var open = 0

  /// An empty pipe, or nil when there is none to be had.
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

  /// Takes back a pipe; one that still holds bytes is closed with them, for the next to have it would send them to a stranger.
  /// The kernel is asked, so that nobody's count has to be trusted.
  mutating func giveBack(_ pipe: Pipe) {
    var held: Int32 = 0
    let isEmpty = ioctl(pipe.output, UInt(FIONREAD), &held) == 0 && held == 0
    if isEmpty, free.count < PipePool.kept { return free.append(pipe) }
    System.close(pipe.input)
    System.close(pipe.output)
    open -= 1
  }

  /// The loop ends.
  func closeAll() {
    for pipe in free {
      System.close(pipe.input)
      System.close(pipe.output)
    }
  }
}
