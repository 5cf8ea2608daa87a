import Glibc

/// The `process_*` metrics as Prometheus client libraries define them, from `/proc/self`, the CPU clock and the limits of the
/// process. Without `/proc` the metrics that need it are left out, and the start time is that of this object.
struct ProcessStatistics: Sendable {
  private let ticksPerSecond: UInt64
  private let pageSize: UInt64
  /// The start time in ticks since the epoch.
  private let startTicks: UInt64

  init() {
    ticksPerSecond = UInt64(max(sysconf(Int32(_SC_CLK_TCK)), 1))
    pageSize = UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1))
    let bootLine = ProcessStatistics.line(of: "/proc/stat", after: "btime ")
    if let boot = bootLine.flatMap({ UInt64($0) }), let fields = ProcessStatistics.statFields(), let start = fields[19]
    {
      startTicks = boot &* ticksPerSecond &+ start
    } else {
      startTicks = UInt64(max(System.wall(), 0)) &* ticksPerSecond / 1000
    }
  }

  func render(into out: inout Exposition) {
    // The same time as in /proc/self/stat, with a finer resolution.
    var cpu = timespec()
    if clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0 {
      out.family("process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.")
      out.sample(
        "process_cpu_seconds_total",
        seconds: UInt64(max(cpu.tv_sec, 0)) &* 1_000_000_000 &+ UInt64(max(cpu.tv_nsec, 0)),
        per: 1_000_000_000)
    }
    if let fields = ProcessStatistics.statFields() {
      if let virtual = fields[20] {
        out.family("process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.")
        out.sample("process_virtual_memory_bytes", virtual)
      }
      if let pages = fields[21] {
        out.family("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.")
        out.sample("process_resident_memory_bytes", pages &* pageSize)
      }
    }
    if let open = ProcessStatistics.openDescriptors() {
      out.family("process_open_fds", .gauge, "Number of open file descriptors.")
      out.sample("process_open_fds", open)
    }
    if let limit = System.descriptorLimit {
      out.family("process_max_fds", .gauge, "Maximum number of open file descriptors.")
      out.sample("process_max_fds", limit)
    }
    out.family("process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.")
    out.sample("process_start_time_seconds", seconds: startTicks, per: ticksPerSecond)
  }

  /// Returns the fields of `/proc/self/stat` after the program's name, which may hold spaces and brackets itself. The first is
  /// the state (field 3 in proc(5)). A field that is not a number is nil.
  private static func statFields() -> [UInt64?]? {
    guard let text = read("/proc/self/stat"), let end = text.lastIndex(of: 0x29) else { return nil }
    let fields = text[(end + 1)...].split(separator: 0x20).map { UInt64(String(decoding: $0, as: UTF8.self)) }
    return fields.count > 21 ? fields : nil
  }

  private static func openDescriptors() -> Int? {
    guard let directory = opendir("/proc/self/fd") else {
      // With no descriptor left for the directory, all of them are open.
      return errno == EMFILE ? System.descriptorLimit.map(Int.init(clamping:)) : nil
    }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    // Excludes `.`, `..` and the descriptor of the directory.
    return max(count - 3, 0)
  }

  /// Returns the rest of the first line that starts with the prefix.
  private static func line(of path: String, after prefix: String) -> String? {
    guard let text = read(path) else { return nil }
    for line in text.split(separator: 0x0A) where line.starts(with: prefix.utf8) {
      return String(decoding: line.dropFirst(prefix.utf8.count), as: UTF8.self)
    }
    return nil
  }

  private static func read(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while text.count < 1 << 20 {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      text.append(contentsOf: buffer[..<count])
    }
    return text
  }
}
