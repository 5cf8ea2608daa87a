import Foundation
import TestSupport
import Testing

/// Output that cannot be written.
@Suite(.blocking) struct OutputTests {
  private func program(_ prefix: [String]) throws -> GatewayProcess {
    let program = try GatewayProcess(GatewayConfiguration().text, environment: Lab.environment(nil))
    program.prefix = prefix
    return program
  }

  private static let commands = [
    ["version"], ["--version"], ["version", "--format", "json"], ["help"], ["--help"], ["help", "run"],
    ["check", "--help"], ["init", "demo"], ["adapters"], ["adapters", "--format", "json"],
  ]
  private static let configured = [
    ["check"], ["check", "--format", "json"], ["routes"], ["routes", "--format", "json"],
    ["token", "issue", "--sub", "me"], ["token", "status"], ["token", "status", "--format", "json"],
  ]

  @Test(
    arguments: [
      (">/dev/full", "No space left on device"), (">&-", "it is closed"),
    ])
  func `every command whose output cannot be written exits with 3 and says so`(
    _ redirection: String, _ reason: String
  ) throws {
    let program = try program(Prefix.redirected(redirection))
    for words in Self.commands + Self.configured.map({ $0 + ["-c", program.configFile.path] }) {
      let before = program.log.count
      #expect(try program.run(words) == 3, "\(words)")
      let message = "pointgate: the output can't be written to stdout: \(reason)\n"
      #expect(program.log.dropFirst(before).hasSuffix(message), "\(words)")
    }
  }

  @Test func `a command whose reader has left exits with 3 instead of a signal`() throws {
    var ends: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
    close(ends[0])
    defer { close(ends[1]) }
    var command = Command([try GatewayProcess.binary.get(), "help"])
    command.output = .descriptor(ends[1])
    #expect(Command.wait(for: try command.spawn()) == 3)
  }

  @Test func `check of a bad configuration into a full disk exits with 3, and wrong usage with 2`() throws {
    let program = try program(Prefix.redirected(">/dev/full"))
    try program.write("nonsense: 1\n")
    #expect(try program.run("check") == 3)
    #expect(try program.run(["chekc"]) == 2)
  }

  @Test func `a failure of stderr changes no exit status`() throws {
    let program = try program(Prefix.redirected("2>/dev/full"))
    #expect(try program.run(["version"]) == 0)
    #expect(try program.run(["chekc"]) == 2)
    #expect(try program.run("check") == 0)
    let both = try self.program(Prefix.redirected(">/dev/full 2>&-"))
    #expect(try both.run(["version"]) == 3)
  }

  @Test func `init into a file that cannot grow exits with 3`() throws {
    // A file of 512 bytes at most: a part of the text is written.
    let program = try program(["/bin/sh", "-c", #"ulimit -f 1 && exec "$0" "$@" > short.yaml 2>/dev/null"#])
    #expect(try program.run(["init", "ecoctrl"]) == 3)
    let file = program.folder.appending(path: "short.yaml").path
    let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
    #expect(size > 0 && size <= 1024)
  }

  @Test func `a command waits for room in a non-blocking stdout, and writes all of its output`() throws {
    var ends: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
    defer { close(ends[0]) }
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    let junk = [UInt8](repeating: UInt8(ascii: "x"), count: 4096)
    var filled = 0
    while case let count = write(ends[1], junk, junk.count), count > 0 { filled += count }
    var command = Command([try GatewayProcess.binary.get(), "init", "ecoctrl"])
    command.output = .descriptor(ends[1])
    let pid = try command.spawn()
    close(ends[1])
    var received: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = read(ends[0], &buffer, buffer.count), count > 0 { received += buffer[..<count] }
    #expect(Command.wait(for: pid) == 0)
    let whole = try program([])
    #expect(try whole.run(["init", "ecoctrl"]) == 0)
    #expect(String(decoding: received.dropFirst(filled), as: UTF8.self) == whole.standardOutput)
  }

  @Test(arguments: [">/dev/full", ">&-"])
  func `run drains and exits with 3 when its ready line cannot be written`(_ redirection: String) throws {
    let program = try program(Prefix.redirected(redirection))
    #expect(try program.run("run") == 3)
    #expect(program.log.contains(#""msg":"stopped""#))
    #expect(program.log.contains("the output can't be written to stdout"))
  }
}
