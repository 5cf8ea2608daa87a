import AdapterAPI

/// The command line, taken apart: a verb, its options, what is left.
struct Arguments {
  /// The wrong use of the command line; exit status 2.
  struct UsageError: Error { var message: String }

  private(set) var words: [String] = []
  private var values: [String: [String]] = [:]
  private var flags: Set<String> = []

  /// Options that take a value, and those that don't; everywhere on the line, before or after the verb.
  private static let valued = [
    "-c": "config", "--config": "config", "--format": "format", "--sub": "sub", "--role": "role", "--ttl": "ttl",
  ]
  private static let plain = ["-h": "help", "--help": "help", "--demo": "demo", "--live": "live"]

  init(_ arguments: [String]) throws(UsageError) {
    var index = 0
    while index < arguments.count {
      var argument = arguments[index]
      index += 1
      var inline: String?
      if argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") {
        inline = String(argument[argument.index(after: equals)...])
        argument = String(argument[..<equals])
      }
      if let name = Arguments.valued[argument] {
        if inline == nil, index < arguments.count {
          inline = arguments[index]
          index += 1
        }
        guard let value = inline else { throw UsageError(message: "\(Spelling.printable(argument)) needs a value") }
        values[name, default: []].append(value)
      } else if let name = Arguments.plain[argument] {
        guard inline == nil else { throw UsageError(message: "\(Spelling.printable(argument)) takes no value") }
        flags.insert(name)
      } else if argument.hasPrefix("-") {
        let known = (Array(Arguments.valued.keys) + Array(Arguments.plain.keys)).filter { $0.hasPrefix("--") }.sorted()
        throw UsageError(
          message: "unknown option '\(Spelling.printable(argument))'\(Spelling.hint(for: argument, among: known))")
      } else {
        words.append(argument)
      }
    }
  }

  func has(_ flag: String) -> Bool { flags.contains(flag) }
  func all(_ name: String) -> [String] { values[name] ?? [] }

  /// The one value of an option; given twice it is a mistake.
  func one(_ name: String) throws(UsageError) -> String? {
    let all = all(name)
    guard all.count < 2 else { throw UsageError(message: "--\(name) is given twice") }
    return all.first
  }

  /// Refuses options that the verb does not have.
  func allow(_ names: Set<String>) throws(UsageError) {
    for name in Set(values.keys).union(flags).sorted() where !names.contains(name) {
      throw UsageError(message: "--\(name) does not belong to this verb")
    }
  }

  func isJSON() throws(UsageError) -> Bool {
    switch try one("format") ?? "text" {
    case "text": return false
    case "json": return true
    case let other: throw UsageError(message: "--format is 'text' or 'json', not '\(Spelling.printable(other))'")
    }
  }
}

extension Arguments.UsageError {
  /// A verb without the word that belongs behind it.
  static func incomplete(_ verb: String, _ words: [String]) -> Self {
    Self(message: "\(verb) what? \(thereAre(verb, words))")
  }

  /// A verb with a word behind it that it does not have.
  static func unknown(_ verb: String, _ word: String, among words: [String]) -> Self {
    let hint = Spelling.hint(for: word, among: words)
    return Self(
      message: "there is no '\(verb) \(Spelling.printable(word))'\(hint.isEmpty ? "." : hint) \(thereAre(verb, words))"
    )
  }

  private static func thereAre(_ verb: String, _ words: [String]) -> String {
    "There are " + words.map { "'\(verb) \($0)'" }.joined(separator: ", ")
  }
}
