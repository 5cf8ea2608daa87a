/// "Did you mean": the nearest of the known words, and a printable form of an unknown one.
public enum Spelling {
  /// Returns `; did you mean 'adapter'?`, or an empty text when no word is near.
  public static func hint(for word: String, among words: [String]) -> String {
    nearest(to: word, among: words).map { "; did you mean '\($0)'?" } ?? ""
  }

  /// Returns the only word that begins with `word`; else the word with the fewest edits, the first of equals. There are at most two
  /// edits, and fewer than letters.
  public static func nearest(to word: String, among words: [String]) -> String? {
    let letters = Array(word.utf8)
    // A key is short. A longer text is no typing error, and the table below must stay small.
    guard !letters.isEmpty, letters.count <= 64 else { return nil }
    let longer = words.filter { letters.count > 2 && $0.hasPrefix(word) && $0 != word }
    if longer.count == 1 { return longer[0] }
    var best: (distance: Int, word: String)?
    for candidate in words where candidate != word && abs(candidate.utf8.count - letters.count) <= 2 {
      let distance = distance(letters, Array(candidate.utf8))
      if distance <= 2, distance < letters.count, distance < candidate.utf8.count, distance < best?.distance ?? 3 {
        best = (distance, candidate)
      }
    }
    return best?.word
  }

  /// Returns the number of insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
  static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      row.reserveCapacity(b.count + 1)
      for j in 0..<b.count {
        var best = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, beforeLast[j - 1] + 1) }
        row.append(best)
      }
      beforeLast = last
      last = row
    }
    return last[b.count]
  }

  /// Returns untrusted text for a message: at most `limit` characters, then an ellipsis; control and format characters as `?`.
  public static func printable(_ text: String, limit: Int = 40) -> String {
    let scalars = text.unicodeScalars
    let shown = scalars.prefix(limit).map { isPrintable($0) ? $0 : "?" }
    return String(String.UnicodeScalarView(shown)) + (scalars.dropFirst(limit).isEmpty ? "" : "…")
  }

  /// Returns a character's number in the usual form: `U+2028`.
  public static func name(of scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  /// Whether the character cannot drive a terminal, as control and format characters (bidirectional overrides among them) and
  /// line separators can.
  public static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
    default: true
    }
  }
}
