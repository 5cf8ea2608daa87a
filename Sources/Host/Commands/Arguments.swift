import AdapterAPI
import Glibc

/// The parsed command line: options with their values, and the words that are left.
struct Arguments {
  /// A wrong use of the command line: exit status 2.
  struct UsageError: Error {
    let message: String
    init(_ message: String) { self.message = message }
  }

  /// The verb and its arguments; the arguments alone once the verb is known.
  var words: [String] = []
  /// By the option's name; empty for an option without a value.
  private var values: [String: [String]] = [:]

  /// - Parameter options: the options of all verbs, as an option may stand before its verb.
  init(_ arguments: [String], options: [Verb.Option] = Verb.allOptions) throws(UsageError) {
    var rest = arguments[...]
    while var word = rest.popFirst() {
      guard word.hasPrefix("-") else {
        words.append(word)
        continue
      }
      var inline: String?
      if word.hasPrefix("--"), let equals = word.firstIndex(of: "=") {
        inline = String(word[word.index(after: equals)...])
        word = String(word[..<equals])
      }
      guard let option = options.first(where: { $0.name == word || $0.short == word }) else {
        let hint = Spelling.hint(for: word, among: options.map(\.name))
        throw UsageError("unknown option '\(Spelling.printable(word))'\(hint)")
      }
      if let placeholder = option.value {
        guard let value = inline ?? rest.popFirst() else {
          throw UsageError("option '\(word)' needs a value: \(word) \(placeholder)")
        }
        values[option.name, default: []].append(value)
      } else if inline == nil {
        values[option.name] = []
      } else {
        throw UsageError("option '\(word)' takes no value")
      }
    }
  }

  /// Whether the option is given.
  func has(_ option: Verb.Option) -> Bool { values[option.name] != nil }
  /// The values of an option that may be given several times.
  func all(_ option: Verb.Option) -> [String] { values[option.name] ?? [] }

  /// The value of an option that may be given once.
  func one(_ option: Verb.Option) throws(UsageError) -> String? {
    let all = all(option)
    guard all.count < 2 else { throw UsageError("option '\(option.name)' is given twice") }
    return all.first
  }

  /// Refuses options and arguments that the verb does not take.
  func check(for verb: Verb) throws(UsageError) {
    for name in values.keys.sorted() where !verb.options.contains(where: { $0.name == name }) {
      throw UsageError("'\(name)' is not an option of '\(verb.name)'")
    }
    let limit = verb.argument == nil ? 0 : verb.argumentLimit
    if words.count > limit { throw UsageError("unexpected argument '\(Spelling.printable(words[limit]))'") }
  }

  /// Whether `--format json` is given.
  func isJSON() throws(UsageError) -> Bool {
    switch try one(.format) ?? "text" {
    case "text": return false
    case "json": return true
    case let value: throw UsageError("'--format' must be text or json, not '\(Spelling.printable(value))'")
    }
  }

  /// The configuration file: the argument, or the value of `--config`, or a file of the usual name.
  func configurationFile() throws(UsageError) -> String {
    guard let option = try one(.config) else {
      return words.first ?? (access("gateway.yaml", F_OK) == 0 ? "gateway.yaml" : "config/gateway.yaml")
    }
    guard words.isEmpty else {
      throw UsageError("the configuration is given twice: as an argument and with '--config'")
    }
    return option
  }
}
