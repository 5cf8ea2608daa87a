import AdapterAPI
import Foundation
import Testing

@testable import Host

@Suite struct EnvironmentFileTests {
  private struct Case: Decodable {
    let text: String
    let variables: [String: String]
  }

  /// The expected variables are the results of dotenv 17.4.2's own `parse`.
  @Test func `every text gives the variables that dotenv gives`() throws {
    let path = ProcessInfo.processInfo.environment["DOTENV_CASES"]
    let file =
      path.map { URL(filePath: $0) }
      ?? URL(filePath: #filePath).deletingLastPathComponent().appending(path: "dotenv-17.json")
    let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
    #expect(cases.count >= 180)
    for one in cases {
      let variables = EnvironmentFile(one.text).variables
      #expect(variables == one.variables, "\(one.text.debugDescription)")
    }
  }

  @Test(arguments: [
    ("JWT_SECRET=abc#def", "JWT_SECRET", "ends before the '#' here"),
    ("JWT_SECRET=abc # comment", "JWT_SECRET", "ends before the '#' here"),
    ("A=#abc", "A", "ends before the '#' here"), ("A=\"abc\"#def", "A", "ends before the '#' here"),
    ("A=two words", "A", "has white space inside"), ("A= abc", "A", "has white space around it"),
    ("A=abc ", "A", "has white space around it"),
    ("A=a$b", "A", "has a character that is special"), ("A=a\\nb", "A", "has a character that is special"),
    ("A=http://h/?a=b&c=d", "A", "has a character that is special"),
    ("A=a\"b\"c", "A", "has a character that is special"),
    ("A=\"a$b\"", "A", "has a backslash, '$' or backtick"), ("A=\"a\\nb\"", "A", "has a backslash, '$' or backtick"),
    ("A=\"a\\\"b\"", "A", "has a backslash, '$' or backtick"), ("A='a\\'b'", "A", "has a quote inside"),
    ("A=`abc`", "A", "is in backticks"), ("A: abc", "A", "is assigned with ':'"),
    ("A=\"a\nb\"", "A", "has several lines"),
    ("A=\"open", "A", "has no closing quote at its end"), ("A=\"a\" b", "A", "has no closing quote at its end"),
    ("A=\u{fffd}", "A", "is not UTF-8"), ("export A=a#b", "A", "ends before the '#' here"),
  ])
  func `a value that other readers of the file take differently gets a warning with its line and the remedy`(
    text: String, name: String, words: String
  ) {
    let file = EnvironmentFile("# a comment\n  \(text)\nZ=1\n")
    #expect(file.notes.count == 1)
    #expect(file.notes.first.map { [$0.line, $0.column] } == [2, 3])
    #expect(file.notes.first?.message.hasPrefix("the value of \(name) \(words)") == true, "\(file.notes)")
    #expect(file.variables["Z"] == "1")
  }

  @Test(arguments: [
    "A=abc", "export A=abc", "A='a b # $ \\n'", "A=\"a b # c\"", "A='a' # comment", "A=\"\"", "A=", "A=a=b==", "A=ä",
    "A=postgres://u:p%23@h:5432/db?sslmode=disable", "A=abc\r",
  ])
  func `a value that all readers of the file take alike gets no warning`(text: String) {
    #expect(EnvironmentFile("\(text)\n\n# more\nZ=1\n").notes.isEmpty)
  }

  @Test func `a line that is no assignment is named, and the lines around it are read`() {
    let file = EnvironmentFile("A=1\nnonsense\n  more nonsense # B=2\n\nC=3\n=4\n")
    #expect(file.variables == ["A": "1", "C": "3"])
    #expect(file.notes.map { "\($0.line):\($0.column)" } == ["2:1", "3:3", "6:1"])
    #expect(Set(file.notes.map(\.message)) == ["this line is not KEY=VALUE and is ignored"])
  }

  // Quadratic work would not end within the limit.
  @Test(.timeLimit(.minutes(1))) func `a long file is read in linear time`() {
    for piece in ["\n", "A=1\n", "A='\n", "nonsense\n", " ", "# A=1\n"] {
      _ = EnvironmentFile(String(repeating: piece, count: (1 << 17) / piece.utf8.count))
    }
  }
}
