/// The process's event loops.
final class EventLoopGroup: Sendable {
  let loops: [EventLoop]

  init(count: Int) { loops = (0..<max(1, count)).map { EventLoop(index: $0) } }

  func start() { for loop in loops { loop.start() } }
  func stop() { for loop in loops { loop.stop() } }

  /// Runs the work on every loop, and returns when all have done it.
  func onEach(_ work: @escaping @Sendable (EventLoop) -> Void) async {
    for loop in loops {
      await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
        loop.post {
          work(loop)
          continuation.resume()
        }
      }
    }
  }
}
