import Testing

@testable import Host

@Suite struct TraceContextTests {
  private static let trace = "0af7651916cd43dd8448eb211c80319c"

  private func isValid(_ text: String) -> Bool {
    Array(text.utf8).withUnsafeBufferPointer { TraceContext.isValid($0) }
  }

  @Test(arguments: [
    "00-\(trace)-b7ad6b7169203331-01", "01-\(trace)-b7ad6b7169203331-00", "cc-\(trace)-b7ad6b7169203331-01-later",
  ])
  func `isValid accepts a traceparent of this or a later version`(_ text: String) { #expect(isValid(text)) }

  @Test(arguments: [
    "", "garbage", "00-\(trace)-b7ad6b7169203331", "00-\(trace)-b7ad6b7169203331-01-",
    "00-\(trace)-b7ad6b7169203331-01x",
    "ff-\(trace)-b7ad6b7169203331-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "00-\(trace)-0000000000000000-01", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    "00_\(trace)-b7ad6b7169203331-01", "cc-\(trace)-b7ad6b7169203331-01.later",
  ])
  func `isValid refuses any other text`(_ text: String) { #expect(!isValid(text)) }
}
