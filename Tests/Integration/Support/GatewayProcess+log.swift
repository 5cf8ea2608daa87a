import Foundation
import Testing

extension GatewayProcess {
  /// The complete lines on stderr as JSON objects. A line that is none is recorded as an issue.
  var logEntries: [[String: Any]] {
    let text = log
    guard let end = text.lastIndex(of: "\n") else { return [] }
    return text[..<end].split(separator: "\n").compactMap { line in
      let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
      if object == nil { Issue.record("not a JSON object: \(line.prefix(400))") }
      return object
    }
  }

  /// The log's entries with this message.
  func entries(_ message: String) -> [[String: Any]] { logEntries.filter { $0["msg"] as? String == message } }
}
