import AdapterAPI
import CLibYAML

/// Reads one YAML document into nodes with line and column.
///
/// Accepts a strict subset of YAML, from libyaml's events: one document; no anchors, aliases, tags, merge keys or duplicate
/// keys; at most 64 levels and 1 MiB. JSON is valid too. Nothing is expanded and there is no recursion: the work is linear.
struct YAMLReader {
  static let sizeMax = 1 << 20
  static let depthMax = 64

  /// The version of libyaml.
  static var libraryVersion: String { String(cString: yaml_get_version_string()) }

  private var open: [Collection] = []
  private var root: ConfigNode?
  private var problems: [ConfigError] = []
  /// The text was changed by `SurrogateEscapes`.
  private var hidesSurrogates = false

  /// A mapping or list whose end has not been read yet.
  private struct Collection {
    let position: SourcePosition
    let isMapping: Bool
    var items: [ConfigNode] = []
    var entries: [ConfigNode.Entry] = []
    var key: (text: String, position: SourcePosition)?
    /// The line of each key so far.
    var lines: [String: Int] = [:]
  }

  /// Ends the reading.
  private struct Stop: Error {}

  /// Returns the document, or the problems in it. A syntax error is the only problem.
  static func read(_ bytes: [UInt8]) -> (root: ConfigNode?, problems: [ConfigError]) {
    if let problem = checkText(bytes) { return (nil, [problem]) }
    var reader = YAMLReader()
    let text = Array(bytes.starts(with: byteOrderMark) ? bytes[byteOrderMark.count...] : bytes[...])
    let hidden = SurrogateEscapes.hidden(text)
    reader.hidesSurrogates = hidden != nil
    reader.parse(hidden ?? text)
    if let root = reader.root, reader.problems.isEmpty {
      if !root.isNull { return (root, []) }
      reader.problems.append(empty)
    } else if reader.problems.isEmpty {
      reader.problems.append(empty)
    }
    return (nil, reader.problems)
  }

  private static let empty = ConfigError(
    "the configuration is empty; it needs version, auth, store, adapters, defaults and routes",
    at: SourcePosition(line: 1, column: 1))

  private mutating func parse(_ bytes: [UInt8]) {
    let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    defer { parser.deallocate() }
    guard yaml_parser_initialize(parser) == 1 else {
      problems = [ConfigError("not enough memory to read the configuration", at: SourcePosition(line: 1, column: 1))]
      return
    }
    defer { yaml_parser_delete(parser) }
    bytes.withUnsafeBufferPointer { buffer in
      yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
      yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
      var event = yaml_event_t()
      while true {
        guard yaml_parser_parse(parser, &event) == 1 else {
          problems = [YAMLReader.syntaxError(parser.pointee, bytes)]
          return
        }
        defer { yaml_event_delete(&event) }
        guard event.type != YAML_STREAM_END_EVENT, event.type != YAML_NO_EVENT else { return }
        do { try take(event) } catch { return }
      }
    }
  }

  private mutating func take(_ event: yaml_event_t) throws(Stop) {
    let position = SourcePosition(event.start_mark)
    switch event.type {
    case YAML_DOCUMENT_START_EVENT:
      let tags = event.data.document_start.tag_directives
      if root != nil { throw refuse("a second document begins here; a configuration is one document", at: position) }
      if tags.start != tags.end {
        throw refuse("tag directives (%TAG) are not supported; remove this one", at: position)
      }
    case YAML_ALIAS_EVENT:
      throw refuse("aliases (*name) are not supported; repeat the value", at: position)
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      try check(anchor: scalar.anchor, tag: scalar.tag, at: position)
      var text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
      if hidesSurrogates {
        let isDoubleQuoted = scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE
        guard let restored = SurrogateEscapes.restored(text, isDoubleQuoted: isDoubleQuoted) else {
          throw refuse("not valid YAML: this text has one half of a surrogate pair alone", at: position)
        }
        text = restored
      }
      if text.utf8.contains(0) { throw refuse("this text has a NUL character (\\0); remove it", at: position) }
      let node = ConfigNode(.scalar(text, plain: scalar.style == YAML_PLAIN_SCALAR_STYLE), at: position)
      try put(node)
    case YAML_SEQUENCE_START_EVENT:
      try check(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag, at: position)
      try begin(Collection(position: position, isMapping: false))
    case YAML_MAPPING_START_EVENT:
      try check(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag, at: position)
      try begin(Collection(position: position, isMapping: true))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      guard let ended = open.popLast() else { throw Stop() }
      try put(ConfigNode(ended.isMapping ? .mapping(ended.entries) : .sequence(ended.items), at: ended.position))
    default: break
    }
  }

  private mutating func begin(_ collection: Collection) throws(Stop) {
    if open.count >= YAMLReader.depthMax {
      throw refuse("the configuration has more than \(YAMLReader.depthMax) nested levels here", at: collection.position)
    }
    if let parent = open.last, parent.isMapping, parent.key == nil {
      throw refuse("a key must be text, not a list or a mapping", at: collection.position)
    }
    open.append(collection)
  }

  /// Adds a complete node: a key, a value, an item, or the document itself.
  private mutating func put(_ node: ConfigNode) throws(Stop) {
    guard let top = open.indices.last else {
      root = node
      return
    }
    guard open[top].isMapping else {
      open[top].items.append(node)
      return
    }
    guard let key = open[top].key else {
      guard case .scalar(let text, let plain) = node.content else { throw Stop() }
      if plain, text == "<<" {
        throw refuse("merge keys (<<) are not supported; repeat the keys", at: node.position)
      }
      open[top].key = (text, node.position)
      return
    }
    open[top].key = nil
    if let line = open[top].lines[key.text] {
      problems.append(
        ConfigError(
          "the key '\(Spelling.printable(key.text))' is a duplicate of the key in line \(line); remove one",
          at: key.position))
      if problems.count >= Settings.Problems.limit { throw Stop() }
      return
    }
    open[top].lines[key.text] = key.position.line
    open[top].entries.append(ConfigNode.Entry(key: key.text, keyPosition: key.position, value: node))
  }

  private mutating func check(
    anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, at position: SourcePosition
  ) throws(Stop) {
    if anchor != nil {
      throw refuse("anchors (&name) are not supported; repeat the value where it is used", at: position)
    }
    if tag != nil { throw refuse("tags (!name) are not supported; each key has a fixed type", at: position) }
  }

  private mutating func refuse(_ message: String, at position: SourcePosition) -> Stop {
    problems.append(ConfigError(message, at: position))
    return Stop()
  }
}

extension SourcePosition {
  /// Converts a mark of libyaml, which counts from 0, in characters.
  fileprivate init(_ mark: yaml_mark_t) {
    self.init(line: Int(clamping: mark.line) &+ 1, column: Int(clamping: mark.column) &+ 1)
  }
}

extension YAMLReader {
  /// Returns libyaml's error as a sentence, at the position of the mistake.
  fileprivate static func syntaxError(_ parser: yaml_parser_t, _ bytes: [UInt8]) -> ConfigError {
    let problem = parser.problem.map { String(cString: $0) } ?? "this is not YAML"
    let context = parser.context.map { String(cString: $0) } ?? ""
    var mark = parser.problem_mark
    var message = "not valid YAML: \(problem)"
    if context == "while scanning a simple key" {
      // libyaml reports the line after the key that lacks its colon.
      mark = parser.context_mark
      message = "not valid YAML: this key needs ': ' and a value"
    } else if problem.hasPrefix("found a tab character")
      || problem.hasPrefix("found character that cannot start any token") && byte(at: mark, bytes) == 0x09
    {
      message = "not valid YAML: this line is indented with a tab; use spaces"
    } else if problem.hasPrefix("mapping values are not allowed") {
      message = "not valid YAML: a ':' is not allowed here; indent the line like its neighbours, or quote the value"
    } else if !context.isEmpty {
      message += " \(context)"
      if parser.context_mark.line != mark.line { message += " that begins in line \(parser.context_mark.line &+ 1)" }
    }
    return ConfigError(message, at: SourcePosition(mark))
  }

  private static func byte(at mark: yaml_mark_t, _ bytes: [UInt8]) -> UInt8? {
    // `index` counts characters, so it is exact in ASCII files only. In other files the message may be less specific.
    let at = Int(clamping: mark.index)
    return bytes.indices.contains(at) ? bytes[at] : nil
  }
}
