/// `pointgate version`
enum VersionCommand {
  static let version = ProgramVersion.text

  static let verb = Verb(
    name: "version", summary: "prints the versions of the program and of the libraries it uses",
    options: [.format, .unusedConfig, .version],
    details: "Prints the versions of the program, of Swift, libpq, libyaml, OpenSSL and SQLite.",
    example: "pointgate version"
  ) { arguments throws(Arguments.UsageError) in
    let rows = [
      ("pointgate", version), ("swift", swift), ("libpq", (try? LibPQ())?.version ?? "not installed"),
      ("libyaml", YAMLReader.libraryVersion),
      ("openssl", PublicKey.libraryVersion),
      ("sqlite", SQLiteDatabase.libraryVersion),
    ]
    if try arguments.isJSON() {
      Terminal.json { $0.object { for (name, version) in rows { $0.member(name, version) } } }
    } else {
      Terminal.out(Terminal.table(rows.map { [$0, $1] }))
    }
    return 0
  }

  private static var swift: String {
    #if compiler(>=6.4)
      "6.4 or later"
    #elseif compiler(>=6.3)
      "6.3"
    #else
      "6.2"
    #endif
  }
}
