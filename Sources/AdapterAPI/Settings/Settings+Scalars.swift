// Single values: text, secrets, durations, numbers, sizes, shares, flags, choices.

extension Settings {
  /// A single value and its origin.
  struct Scalar {
    var text: String
    /// Whether it was written without quotes, or comes from a variable or a file: then it may be a number or a flag.
    var plain: Bool
    var position: SourcePosition
    /// The name in messages: the text in quotes when the configuration holds it, else the variable or the file, never their content.
    var shown: String
    /// Whether the configuration itself holds the text.
    var isLiteral = false
  }

  // Each of these functions returns the default when the key is absent. Without a default the key is required. For a missing or
  // wrong value they record a problem and return a placeholder: the default, or the smallest value.

  /// Reads a text that is not empty.
  public func text(_ key: String, default defaultValue: String? = nil) -> String {
    guard let scalar = required(key, isMissing: defaultValue == nil) else { return defaultValue ?? "" }
    return nonEmpty(scalar, key) ?? ""
  }

  /// Reads a text that is not empty; nil when the key is absent.
  public func optionalText(_ key: String) -> String? { scalar(key).flatMap { nonEmpty($0, key) } }

  /// Reads a secret: always `{env: NAME}` or `{file: path}`, never literal. Required.
  public func secret(_ key: String) -> Secret {
    guard contains(key) else {
      missing(key)
      return Secret("")
    }
    return optionalSecret(key) ?? Secret("")
  }

  /// Reads a secret; nil when the key is absent.
  public func optionalSecret(_ key: String) -> Secret? {
    guard let node = node(key) else { return nil }
    guard case .mapping = node.content else {
      problems.error(
        "'\(key)'\(place): secrets are {env: NAME} or {file: path}, never written here", at: node.position)
      return nil
    }
    guard let scalar = resolve(node, key), let text = nonEmpty(scalar, key) else { return nil }
    if let mistake = SecretText.mistake(in: text) {
      problems.error("'\(key)'\(place): \(scalar.shown) \(mistake)", at: node.position)
      return nil
    }
    if let doubt = SecretText.doubt(about: text) {
      problems.warning("'\(key)'\(place): \(scalar.shown) \(doubt)", at: node.position)
    }
    return Secret(text)
  }

  /// Reads a duration: `250ms`, `5s`, `10m`, `24h`.
  public func duration(
    _ key: String, default defaultValue: Duration? = nil, in range: ClosedRange<Duration>? = nil
  ) -> Duration {
    let expected = "a duration with its unit, one whole number and ms, s, m or h, like 250ms, 90s, 10m or 24h"
    return value(key, defaultValue, expected, range, ScalarText.written, hint: ScalarText.durationHint) {
      ScalarText.duration($0.text)
    } ?? defaultValue ?? range?.lowerBound ?? .zero
  }

  /// Reads a whole number in decimal digits.
  public func integer(_ key: String, default defaultValue: Int? = nil, in range: ClosedRange<Int>? = nil) -> Int {
    value(key, defaultValue, "a whole number, without quotes", range, { String($0) }) {
      $0.plain ? ScalarText.integer($0.text) : nil
    } ?? defaultValue ?? range?.lowerBound ?? 0
  }

  /// Reads a size in bytes: `512B`, `16KiB`, `1MiB`, `2GiB`.
  public func size(_ key: String, default defaultValue: Int? = nil, in range: ClosedRange<Int>? = nil) -> Int {
    let expected = "a size with its unit, like 512B, 16KiB, 1MiB or 2GiB"
    return value(key, defaultValue, expected, range, ScalarText.written(bytes:), hint: ScalarText.sizeHint) {
      ScalarText.size($0.text)
    } ?? defaultValue ?? range?.lowerBound ?? 0
  }

  /// Reads a share from `0%` to `100%`, as a number from 0 to 1.
  public func share(_ key: String, default defaultValue: Double? = nil) -> Double {
    value(key, defaultValue, "a share from 0% to 100%, like 10%", nil, { "\($0)" }) { ScalarText.share($0.text) }
      ?? defaultValue ?? 0
  }

  /// Reads a number that is not negative, with or without decimals: `0.1`.
  public func decimal(_ key: String, default defaultValue: Double? = nil) -> Double {
    value(key, defaultValue, "a number like 0.1, without quotes", nil, { "\($0)" }) {
      $0.plain ? ScalarText.decimal($0.text) : nil
    } ?? defaultValue ?? 0
  }

  /// Reads `true` or `false`.
  public func flag(_ key: String, default defaultValue: Bool? = nil) -> Bool {
    guard let scalar = required(key, isMissing: defaultValue == nil) else { return defaultValue ?? false }
    if scalar.plain, scalar.text == "true" || scalar.text == "false" { return scalar.text == "true" }
    wrong(key, "true or false, without quotes", scalar)
    return defaultValue ?? false
  }

  /// Reads one of the allowed words.
  public func choice(_ key: String, _ allowed: [String], default defaultValue: String? = nil) -> String {
    let placeholder = defaultValue ?? allowed.first ?? ""
    guard let scalar = required(key, isMissing: defaultValue == nil) else { return placeholder }
    if allowed.contains(scalar.text) { return scalar.text }
    wrong(key, "one of \(allowed.joined(separator: ", "))", scalar, Spelling.hint(for: scalar.text, among: allowed))
    return placeholder
  }

  /// Reads a list of texts; a single text counts as a list of one. Empty when the key is absent.
  public func texts(_ key: String) -> [String] { scalars(key).compactMap { nonEmpty($0, key) } }

  /// Returns the values of a list; a single value counts as a list of one. Empty when the key is absent.
  func scalars(_ key: String) -> [Scalar] {
    guard let node = node(key) else { return [] }
    guard case .sequence(let items) = node.content else { return resolve(node, key).map { [$0] } ?? [] }
    return items.compactMap { resolve($0, key) }
  }

  /// Returns the key's value with its reference resolved; nil when it is absent, or wrong, which is recorded.
  func scalar(_ key: String) -> Scalar? { node(key).flatMap { resolve($0, key) } }

  /// Records that the key has another value than the expected one.
  func wrong(_ key: String, _ expected: String, _ scalar: Scalar, _ hint: String = "") {
    problems.error("'\(key)'\(place) must be \(expected), not \(scalar.shown)\(hint)", at: scalar.position)
  }

  /// Returns the key's value; records that it is absent if `isMissing` says that there is no default.
  func required(_ key: String, isMissing: Bool) -> Scalar? {
    if !contains(key) {
      if isMissing { missing(key) }
      return nil
    }
    return scalar(key)
  }

  private func nonEmpty(_ scalar: Scalar, _ key: String) -> String? {
    if !scalar.text.isEmpty { return scalar.text }
    problems.error("'\(key)'\(place) is empty", at: scalar.position)
    return nil
  }

  private func value<T: Comparable>(
    _ key: String, _ defaultValue: T?, _ expected: String, _ range: ClosedRange<T>?, _ written: (T) -> String,
    hint: (String) -> String = { _ in "" }, parse: (Scalar) -> T?
  ) -> T? {
    guard let scalar = required(key, isMissing: defaultValue == nil) else { return nil }
    guard let value = parse(scalar) else {
      // A hint repeats the value, which only the text of the configuration may.
      wrong(key, expected, scalar, scalar.isLiteral ? hint(scalar.text) : "")
      return nil
    }
    guard let range, !range.contains(value) else { return value }
    wrong(key, "from \(written(range.lowerBound)) to \(written(range.upperBound))", scalar)
    return nil
  }

  /// Returns the text of a scalar, or of the variable or file that `{env: NAME}` or `{file: path}` names.
  func resolve(_ node: ConfigNode, _ key: String) -> Scalar? {
    switch node.content {
    case .scalar(let text, let plain):
      if node.isNull {
        problems.error("'\(key)'\(place) has no value; give it one, or remove the key", at: node.position)
        return nil
      }
      return Scalar(
        text: text, plain: plain, position: node.position, shown: "'\(Spelling.printable(text))'", isLiteral: true)
    case .sequence:
      problems.error("'\(key)'\(place) must be a single value, not a list", at: node.position)
      return nil
    case .mapping(let entries):
      guard entries.count == 1, let entry = entries.first, entry.key == "env" || entry.key == "file",
        case .scalar(let name, _) = entry.value.content, !name.isEmpty
      else {
        problems.error(
          "'\(key)'\(place) must be a single value, {env: NAME} or {file: path}, not another mapping",
          at: node.position)
        return nil
      }
      return entry.key == "env" ? variable(name, node, key) : file(name, node, key)
    }
  }

  private func variable(_ name: String, _ node: ConfigNode, _ key: String) -> Scalar? {
    // An invalid name may be the secret itself in the wrong place, so it is not shown.
    guard Settings.isVariableName(name) else {
      problems.error(
        "'\(key)'\(place): {env: NAME} takes the name of an environment variable (letters, digits, _)",
        at: node.position)
      return nil
    }
    let shown = Spelling.printable(name)
    guard let text = resolver.environment(name) else {
      problems.error(
        "'\(key)'\(place) needs the environment variable \(shown), which is not set; set it, or write it into"
          + " .env.local beside the configuration", at: node.position)
      return nil
    }
    if text.isEmpty {
      problems.error(
        "'\(key)'\(place) needs the environment variable \(shown), which is set but empty", at: node.position)
      return nil
    }
    return Scalar(text: text, plain: true, position: node.position, shown: "what the variable \(shown) holds")
  }

  private static func isVariableName(_ name: String) -> Bool {
    func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    return name.utf8.first.map { !isDigit($0) } ?? false
      && name.utf8.allSatisfy {
        isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) || $0 == UInt8(ascii: "_")
      }
  }

  private func file(_ path: String, _ node: ConfigNode, _ key: String) -> Scalar? {
    let shown = Spelling.printable(path)
    switch resolver.file(path) {
    case .failure(let missing):
      problems.error("'\(key)'\(place): the file \(shown) \(missing.reason)", at: node.position)
      return nil
    case .success(var text):
      // "\r\n" is one character in Swift.
      if text.last == "\n" || text.last == "\r\n" { text.removeLast() }
      return Scalar(text: text, plain: true, position: node.position, shown: "what the file \(shown) holds")
    }
  }
}
