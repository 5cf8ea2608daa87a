import AdapterAPI

/// `pointgate init NAME`: a small commented configuration, alone on stdout.
enum InitCommand {
  static func run(_ words: [String]) throws(Arguments.UsageError) -> Int32 {
    let names = Starter.all.map(\.name)
    guard let name = words.first else { throw .incomplete("init", names) }
    guard let starter = Starter.named(name) else {
      throw .unknown("init", name, among: names)
    }
    Terminal.out(starter.text)
    return 0
  }
}
