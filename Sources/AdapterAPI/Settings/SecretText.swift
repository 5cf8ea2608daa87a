/// The rules for the text of a secret. A text that was damaged on its way would be another key, and nothing else would show it.
enum SecretText {
  /// Returns what is wrong with the text, as the rest of a sentence about its origin; nil when it may be used.
  static func mistake(in text: String) -> String? {
    let scalars = text.unicodeScalars
    // Bytes that are not UTF-8 have been replaced by this character where the environment was read.
    if scalars.contains("\u{fffd}") {
      return "is not UTF-8 text; write it again as UTF-8, for example in hexadecimal digits"
    }
    if scalars.first == "\u{feff}" {
      return "begins with a byte order mark, which would be a part of the secret; save it as UTF-8 without one"
    }
    if let last = scalars.last, last.properties.isWhitespace {
      return "ends in \(isBreak(last) ? "a line break" : "white space"), which would be a part of the secret; remove it"
    }
    if scalars.first?.properties.isWhitespace == true {
      return "begins with white space, which would be a part of the secret; remove it"
    }
    for scalar in scalars where isInvisible(scalar) {
      return "has the invisible character \(Spelling.name(of: scalar)); remove it, or write the secret again"
    }
    if isPlaceholder(text) {
      return "is the placeholder of an example, which is public; write your own secret, for example from: "
        + "openssl rand -hex 32"
    }
    return nil
  }

  /// Returns what an operator should know about the text although it may be used; nil when there is nothing.
  static func doubt(about text: String) -> String? {
    text.unicodeScalars.contains(where: isBreak)
      ? "has a line break inside, which is a part of the secret; write it in one line, unless the issuer or upstream has it too"
      : nil
  }

  /// The secrets of README.md, and the form that EcoCtrl's example of an environment file has: `<replace-this-…>`.
  static func isPlaceholder(_ text: String) -> Bool {
    placeholders.contains(text) || text.hasPrefix("<") && text.hasSuffix(">")
  }

  private static let placeholders = [
    "a-secret-of-at-least-32-bytes-that-signs-your-users-tokens", "the-application-id",
    "postgres://ecoctrl:password@192.0.2.20/ecoctrl",
  ]

  private static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value == 0x0A || scalar.value == 0x0D || scalar.value == 0x85 || scalar.value == 0x2028
      || scalar.value == 0x2029
  }

  /// Control characters other than line breaks and tabs, and format characters such as a zero-width space.
  private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control: !isBreak(scalar) && scalar != "\t"
    case .format: true
    default: false
    }
  }
}
