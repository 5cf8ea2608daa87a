import Glibc

extension LogOptions {
  /// The format `auto` is text on a terminal, else JSON lines.
  init(_ configuration: Configuration.Log) {
    let isJSON = configuration.format == .json || (configuration.format == .auto && isatty(2) == 0)
    self.init(
      level: configuration.level, format: isJSON ? .json : .text, access: configuration.access,
      writes: configuration.writes)
  }
}
