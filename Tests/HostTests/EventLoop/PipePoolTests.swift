import Glibc
import Testing

@testable import Host

@Suite struct PipePoolTests {
  @Test func `PipePool lends an empty pipe again, and closes a pipe with bytes in it`() throws {
    var pool = PipePool()
    defer { pool.closeAll() }
    var lent = pool.take()
    let first = try #require(lent)
    #expect(first.capacity >= 4096)
    pool.giveBack(first)
    lent = pool.take()
    let again = try #require(lent)
    #expect(again.input == first.input && again.output == first.output)
    #expect(Glibc.write(again.input, "x", 1) == 1)
    pool.giveBack(again)
    #expect(pool.open == 0)
  }

  @Test func `PipePool at its limit lends no more pipes, and keeps few free ones`() {
    var pool = PipePool()
    defer { pool.closeAll() }
    var taken: [Pipe] = []
    while let pipe = pool.take() { taken.append(pipe) }
    #expect(taken.count == PipePool.limit)
    for pipe in taken { pool.giveBack(pipe) }
    #expect(pool.open == PipePool.maxFree)
  }
}
