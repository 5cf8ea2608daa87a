/// The process's event loops.
final class EventLoopGroup: Sendable {
  let loops: [EventLoop]

  init(count: Int) { loops = (0..<max(1, count)).map { EventLoop(index: $0) } }

  func start() { for loop in loops { loop.start() } }
  func stop() { for loop in loops { loop.stop() } }
}
