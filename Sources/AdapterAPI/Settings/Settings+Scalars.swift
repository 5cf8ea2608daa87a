// Single values: text, secrets, durations, numbers, sizes, shares, flags, choices.

extension Settings {
  /// A single value with where it came from.
  struct Scalar {
    var text: String
    /// Written without quotes, or not written here at all: may be a number or a flag.
    var plain: Bool
    var position: SourcePosition
    /// How a sentence names it: the text in quotes when it stands in the file, else the variable or the file, never
    /// what they hold.
    var shown: String
  }

  /// Required unless a default is given; never empty.
  public func text(_ key: String, default defaultValue: String? = nil) -> String {
    guard let scalar = required(key, isMissing: defaultValue == nil) else { return defaultValue ?? "" }
    return nonEmpty(scalar, key) ?? ""
  }

  public func optionalText(_ key: String) -> String? { scalar(key).flatMap { nonEmpty($0, key) } }

  /// Always `{env: NAME}` or `{file: path}`.
  public func secret(_ key: String) -> Secret {
    guard contains(key) else {
      missing(key)
      return Secret("")
    }
    return optionalSecret(key) ?? Secret("")
  }

  public func optionalSecret(_ key: String) -> Secret? {
    guard let node = node(key) else { return nil }
    guard case .mapping = node.content else {
      problems.error(
        "'\(key)'\(place): secrets are {env: NAME} or {file: path}, never written here", at: node.position)
      return nil
    }
    guard let scalar = resolve(node, key), let text = nonEmpty(scalar, key) else { return nil }
    return Secret(text)
  }

  /// `250ms`, `5s`, `10m`, `24h`.
  public func duration(
    _ key: String, default defaultValue: Duration? = nil, in range: ClosedRange<Duration>? = nil
  ) -> Duration {
    value(key, defaultValue, "a duration with its unit, like 250ms, 5s, 10m or 24h", range, ScalarText.written) {
      ScalarText.duration($0.text)
    } ?? defaultValue ?? range?.lowerBound ?? .zero
  }

  /// Decimal digits.
  public func integer(_ key: String, default defaultValue: Int? = nil, in range: ClosedRange<Int>? = nil) -> Int {
    value(key, defaultValue, "a whole number, without quotes", range, { String($0) }) {
      $0.plain ? ScalarText.integer($0.text) : nil
    } ?? defaultValue ?? range?.lowerBound ?? 0
  }

  /// Bytes: `512B`, `16KiB`, `1MiB`, `2GiB`.
  public func size(_ key: String, default defaultValue: Int? = nil, in range: ClosedRange<Int>? = nil) -> Int {
    let expected = "a size with its unit, like 512B, 16KiB, 1MiB or 2GiB"
    return value(key, defaultValue, expected, range, ScalarText.written(bytes:)) {
      ScalarText.size($0.text)
    } ?? defaultValue ?? range?.lowerBound ?? 0
  }

  /// `10%` is 0.1; from 0 to 1.
  public func share(_ key: String, default defaultValue: Double? = nil) -> Double {
    value(key, defaultValue, "a share from 0% to 100%, like 10%", nil, { "\($0)" }) { ScalarText.share($0.text) }
      ?? defaultValue ?? 0
  }

  /// A number, not negative, with or without decimals: `0.1`.
  public func decimal(_ key: String, default defaultValue: Double? = nil) -> Double {
    value(key, defaultValue, "a number like 0.1, without quotes", nil, { "\($0)" }) {
      $0.plain ? ScalarText.decimal($0.text) : nil
    } ?? defaultValue ?? 0
  }

  /// `true` or `false`.
  public func flag(_ key: String, default defaultValue: Bool? = nil) -> Bool {
    guard let scalar = required(key, isMissing: defaultValue == nil) else { return defaultValue ?? false }
    if scalar.plain, scalar.text == "true" || scalar.text == "false" { return scalar.text == "true" }
    wrong(key, "true or false, without quotes", scalar)
    return defaultValue ?? false
  }

  /// One of the words.
  public func choice(_ key: String, _ allowed: [String], default defaultValue: String? = nil) -> String {
    let placeholder = defaultValue ?? allowed.first ?? ""
    guard let scalar = required(key, isMissing: defaultValue == nil) else { return placeholder }
    if allowed.contains(scalar.text) { return scalar.text }
    wrong(key, "one of \(allowed.joined(separator: ", "))", scalar, Spelling.hint(for: scalar.text, among: allowed))
    return placeholder
  }

  /// A list of texts; a single one counts as a list of one. Empty when absent.
  public func texts(_ key: String) -> [String] {
    guard let node = node(key) else { return [] }
    guard case .sequence(let items) = node.content else {
      return resolve(node, key).flatMap { nonEmpty($0, key) }.map { [$0] } ?? []
    }
    return items.compactMap { item in resolve(item, key).flatMap { nonEmpty($0, key) } }
  }

  /// The value itself, with what it stands for looked up; nil when absent or wrong (then it is recorded).
  func scalar(_ key: String) -> Scalar? { node(key).flatMap { resolve($0, key) } }

  /// Records what the key must be and what it is.
  func wrong(_ key: String, _ expected: String, _ scalar: Scalar, _ hint: String = "") {
    problems.error("'\(key)'\(place) must be \(expected), not \(scalar.shown)\(hint)", at: scalar.position)
  }

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
    parse: (Scalar) -> T?
  ) -> T? {
    guard let scalar = required(key, isMissing: defaultValue == nil) else { return nil }
    guard let value = parse(scalar) else {
      wrong(key, expected, scalar)
      return nil
    }
    guard let range, !range.contains(value) else { return value }
    wrong(key, "from \(written(range.lowerBound)) to \(written(range.upperBound))", scalar)
    return nil
  }

  /// The text of a scalar, or of the variable or file that `{env: NAME}` or `{file: path}` names.
  func resolve(_ node: ConfigNode, _ key: String) -> Scalar? {
    switch node.content {
    case .scalar(let text, let plain):
      if node.isNull {
        problems.error("'\(key)'\(place) has no value; give it one, or remove the key", at: node.position)
        return nil
      }
      return Scalar(text: text, plain: plain, position: node.position, shown: "'\(Spelling.printable(text))'")
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
    // What is no name may be the secret itself in the wrong place, so it is not shown.
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
    name.utf8.first.map { !(48...57).contains($0) } ?? false
      && name.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
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
