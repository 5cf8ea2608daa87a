import AdapterAPI
import CLinux
import CProcess
import Glibc

/// System calls. An error that only a bug of ours can cause ends the process.
enum System {
  /// The arguments of C's main, the program's name first. Bytes that are not UTF-8 are replaced.
  static var arguments: [String] {
    (0..<pg_argument_count()).compactMap { index in pg_argument(index).map { String(cString: $0) } }
  }

  /// Nanoseconds of the monotonic clock.
  static func monotonic() -> Int64 { pg_monotonic_ns() }

  /// Returns the time on the monotonic clock after that long, at most a day, for conditions that wait on this clock.
  static func monotonic(after wait: Duration) -> timespec {
    let end = monotonic() + max(.zero, min(wait, .seconds(86_400))).nanoseconds
    return timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
  }

  /// Milliseconds since the epoch.
  static func wall() -> Int64 { pg_wall_ns() / 1_000_000 }

  static func epollCreate() -> Int32 {
    let fd = epoll_create1(O_CLOEXEC)
    precondition(fd >= 0, "epoll_create1: \(errorText(errno))")
    return fd
  }

  static func eventFD() -> Int32 {
    let fd = eventfd(0, O_NONBLOCK | O_CLOEXEC)
    precondition(fd >= 0, "eventfd: \(errorText(errno))")
    return fd
  }

  /// Returns whether so many descriptors can be opened now.
  static func canOpen(_ count: Int) -> Bool {
    var opened: [Int32] = []
    defer { for fd in opened { close(fd) } }
    while opened.count < count {
      let fd = eventfd(0, O_CLOEXEC)
      if fd < 0 { return false }
      opened.append(fd)
    }
    return true
  }

  /// The text for an operator where `canOpen` is false.
  static var tooFewDescriptors: String {
    let limit = descriptorLimit.map(String.init) ?? "unknown"
    return "There are too few file descriptors to start: the limit of the process is \(limit). Raise it (ulimit -n, "
      + "LimitNOFILE=), or the limit of the whole system (fs.file-max)."
  }

  /// The number of descriptors that the process may have (RLIMIT_NOFILE).
  static var descriptorLimit: UInt64? {
    var limit = rlimit()
    return getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? UInt64(limit.rlim_cur) : nil
  }

  /// Closes the descriptor. Never retries: on Linux it is gone even after EINTR (close(2)).
  static func close(_ fd: Int32) {
    let result = Glibc.close(fd)
    precondition(result == 0 || errno != EBADF, "closed a descriptor that was not open")
  }

  static func errorText(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Returns the number of cores that this process may use: the smaller of its affinity mask and its cgroup's CPU quota (rounded up).
  static func availableCores() -> Int {
    var cores = Int(pg_affinity_count())
    if let quota = cgroupQuota() { cores = min(cores, max(1, Int(quota.rounded(.up)))) }
    return max(1, cores)
  }

  /// The CPU quota in cores of cgroup v2 (`cpu.max`: "max 100000" or "150000 100000"); nil when there is none.
  private static func cgroupQuota() -> Double? {
    guard let text = readSmallFile("/sys/fs/cgroup/cpu.max") else { return nil }
    let words = text.split { $0 == " " || $0 == "\n" }
    guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), period > 0 else { return nil }
    return quota / period
  }

  /// The first 4 KiB of a file as text; nil when it can't be read.
  static func readSmallFile(_ path: String) -> String? {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
      count = max(0, read(fd, buffer.baseAddress, buffer.count))
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
