import AdapterAPI
import Foundation
import Testing

@testable import Host

/// The table of metrics in docs/operations.md has every metric, with its type and its labels.
@Suite struct MetricsTableTests {
  private struct Row: Hashable, CustomStringConvertible {
    let name: String
    let type: String
    let labels: Set<String>
    var description: String { "\(name) \(type) \(labels.sorted().joined(separator: ","))" }
  }

  /// The metrics of a process in which each of them has a sample.
  private func exposed() throws -> Scrape {
    let metrics = Metrics()
    metrics.route("/a").record(.get, status: 200, nanoseconds: 1)
    let adapter = metrics.adapter("main")
    adapter.setTokenExpiry(1000)
    adapter.setBudget(minute: 1, hour: 2, day: 3)
    return try Scrape(metrics.render())
  }

  private func documented() throws -> [Row] {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../docs/operations.md")
    return try String(contentsOf: file.standardized, encoding: .utf8).split(separator: "\n").compactMap { line in
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      guard cells.count >= 5, ["counter", "gauge", "histogram"].contains(cells[2]) else { return nil }
      let labels = cells[3].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      return Row(name: cells[1].trimmingCharacters(in: ["`"]), type: cells[2], labels: Set(labels))
    }
  }

  @Test func `the table of metrics in docs/operations.md is the exposition's: names, types and labels`() throws {
    let scrape = try exposed()
    let rows = scrape.families.map { name, type in
      let suffixes = type == "histogram" ? ["_count"] : [""]
      let labels = scrape.samples.keys.filter { series in suffixes.contains { name + $0 == series.name } }
        .map { Set($0.labels.keys) }
      #expect(Set(labels).count == 1, "\(name) has no sample, or samples with different labels")
      return Row(name: name, type: type, labels: labels.first ?? [])
    }
    let table = try documented()
    #expect(Set(table).count == table.count)
    #expect(Set(table).symmetricDifference(rows).map(\.description).sorted() == [])
  }

  @Test func `each help text is one sentence`() throws {
    let text = String(decoding: Metrics().render(), as: UTF8.self)
    let helps = text.split(separator: "\n").filter { $0.hasPrefix("# HELP ") }
    #expect(helps.count > 25)
    for help in helps {
      let sentence = help.split(separator: " ", maxSplits: 3).last ?? ""
      #expect(sentence.first.map { $0.isUppercase || $0.isNumber } == true && sentence.hasSuffix("."), "\(help)")
      #expect(!sentence.dropLast().contains(". ") && !sentence.contains("\\n"), "\(help)")
    }
  }
}
