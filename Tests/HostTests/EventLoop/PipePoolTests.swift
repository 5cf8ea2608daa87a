import Glibc
import Testing

@testable import Host

@Suite struct PipePoolTests {
  @Test func `an empty pipe that comes back is lent again, one with bytes in it is closed`() throws {
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

  @Test func `there are so many pipes and no more, and few of them are kept`() {
    var pool = PipePool()
    defer { pool.closeAll() }
    var taken: [Pipe] = []
    while let pipe = pool.take() { taken.append(pipe) }
    #expect(taken.count == PipePool.limit)
    for pipe in taken { pool.giveBack(pipe) }
    #expect(pool.open == PipePool.kept)
  }
}
