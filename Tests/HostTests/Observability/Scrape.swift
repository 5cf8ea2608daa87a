import Testing

/// Parses the exposition format as strictly as a scraper.
struct Scrape {
  struct Series: Hashable {
    let name: String
    let labels: [String: String]
  }

  struct Malformed: Error, CustomStringConvertible {
    let description: String
  }

  private(set) var families: [String: String] = [:]
  private(set) var samples: [Series: Double] = [:]

  subscript(name: String, labels: [String: String]) -> Double? { samples[Series(name: name, labels: labels)] }

  init(_ bytes: [UInt8]) throws {
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.hasSuffix("\n") else { throw Malformed(description: "the last line does not end") }
    var family: (name: String, type: String)?
    var announced: String?
    for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
      if let match = line.wholeMatch(of: /# HELP ([a-z_]+) (.+)/) {
        announced = String(match.1)
      } else if let match = line.wholeMatch(of: /# TYPE ([a-z_]+) (counter|gauge|histogram)/) {
        let name = String(match.1)
        guard announced == name, families[name] == nil else {
          throw Malformed(description: "TYPE without HELP, or twice: \(line)")
        }
        families[name] = String(match.2)
        family = (name, String(match.2))
      } else {
        try add(line, to: family)
      }
    }
  }

  private mutating func add(_ line: Substring, to family: (name: String, type: String)?) throws {
    let pattern = #/([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\d+(?:\.\d+)?)/#
    guard let match = line.wholeMatch(of: pattern), let value = Double(match.3) else {
      throw Malformed(description: "no sample: \(line)")
    }
    let name = String(match.1)
    let suffixes = family?.type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
    guard let family, suffixes.contains(where: { family.name + $0 == name }) else {
      throw Malformed(description: "outside its family: \(line)")
    }
    var labels: [String: String] = [:]
    for label in (match.2 ?? "").matches(of: #/([a-z_]+)="((?:[^"\\]|\\.)*)"/#) {
      labels[String(label.1)] = Scrape.unescape(label.2)
    }
    guard samples.updateValue(value, forKey: Series(name: name, labels: labels)) == nil else {
      throw Malformed(description: "twice: \(line)")
    }
  }

  private static func unescape(_ text: Substring) -> String {
    var out = ""
    var isEscaped = false
    for character in text {
      if isEscaped {
        out.append(character == "n" ? "\n" : character)
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else {
        out.append(character)
      }
    }
    return out
  }
}
