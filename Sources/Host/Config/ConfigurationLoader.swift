import AdapterAPI

/// Reads a configuration file into a `Configuration`, and collects every problem in one run.
///
/// `check`, `run` and a reload all read the configuration with it. Opens only the files that the configuration names.
enum ConfigurationLoader {
  /// - Parameters:
  ///   - path: the path as the user typed it; problems are printed with it.
  ///   - environment: the process's variables; they win over `.env.local` beside the file.
  static func load(
    path: String, environment: [String: String], adapterTypes: [AdapterType]
  ) -> LoadedConfiguration {
    switch TextFile.read(path, anyKind: true) {
    case .failure(let missing):
      var message = "the configuration \(missing.reason)"
      if missing.reason == TextFile.doesNotExist {
        message +=
          "; write one with 'pointgate init demo > gateway.yaml', name another file with -c FILE, or start without one: "
          + "'pointgate run --demo'"
      }
      return LoadedConfiguration(
        file: path, configuration: nil, log: Configuration.Log(), problems: [ConfigError(message, at: .wholeFile)],
        source: [],
        resolver: Settings.Resolver(environment: { _ in nil }, file: { _ in .failure(.init("cannot be read")) }))
    case .success(let bytes):
      return load(
        bytes: bytes, file: path, folder: TextFile.folder(of: path), environment: environment,
        adapterTypes: adapterTypes)
    }
  }

  /// - Parameters:
  ///   - file: the name of the text in problems.
  ///   - folder: the folder that relative paths in the configuration start from; empty for the current folder.
  static func load(
    bytes: [UInt8], file: String, folder: String, environment: [String: String], adapterTypes: [AdapterType]
  ) -> LoadedConfiguration {
    let problems = Settings.Problems()
    let document = YAMLReader.read(bytes)
    let resolver = resolver(
      folder: folder, environment: environment, names: document.root?.environmentNames ?? [], problems: problems)
    document.problems.forEach(problems.add)
    var configuration: Configuration?
    if let root = document.root {
      let reader = ConfigurationReader(
        root: Settings(root, path: "", problems: problems, resolver: resolver), folder: folder,
        adapterTypes: adapterTypes)
      configuration = reader.read()
    }
    return LoadedConfiguration(
      file: file, configuration: problems.hasErrors ? nil : configuration,
      log: configuration?.log ?? Configuration.Log(), problems: sorted(problems.all),
      source: YAMLReader.lines(of: bytes), resolver: resolver)
  }

  /// Returns the vendor's own settings of an instance; the reserved names count as read.
  static func settings(
    for instance: Configuration.AdapterInstance, problems: Settings.Problems, resolver: Settings.Resolver
  ) -> Settings {
    let settings = Settings(
      instance.settings, path: "adapters.\(instance.name).settings", problems: problems, resolver: resolver)
    settings.ignore(AdapterType.reservedSettings)
    return settings
  }

  /// - Parameter names: the variables that the configuration names. The file may have further ones, for other programs.
  private static func resolver(
    folder: String, environment: [String: String], names: Set<String>, problems: Settings.Problems
  ) -> Settings.Resolver {
    var variables: [String: String] = [:]
    let name = TextFile.join(folder, ".env.local")
    switch TextFile.read(name) {
    case .failure(let missing):
      if missing.reason != TextFile.doesNotExist {
        problems.add(
          ConfigError("the file \(missing.reason); it is ignored", at: .wholeFile, in: name, severity: .warning))
      }
    case .success(let bytes) where bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]):
      problems.add(
        ConfigError("the file is UTF-16 and is ignored; save it as UTF-8", at: .wholeFile, in: name, severity: .warning)
      )
    case .success(let bytes):
      // Bytes that are not UTF-8 become U+FFFD, as in dotenv; a secret with one is refused where it is used.
      let file = EnvironmentFile(String(decoding: bytes, as: UTF8.self))
      variables = file.variables
      for note in file.notes.filter({ note in note.name.map(names.contains) ?? true }).prefix(20) {
        let position = SourcePosition(line: note.line, column: note.column)
        problems.add(ConfigError(note.message, at: position, in: name, severity: .warning))
      }
    }
    variables.merge(environment) { _, own in own }
    let all = variables
    return Settings.Resolver(
      environment: { all[$0] }, file: { TextFile.readText(TextFile.join(folder, $0)) })
  }

  /// Sorts problems by position, those of other files first. Problems at one position stay in the order in which they were found.
  static func sorted(_ problems: [ConfigError]) -> [ConfigError] {
    func order(_ entry: (offset: Int, element: ConfigError)) -> (Int, SourcePosition, Int) {
      (entry.element.file == nil ? 1 : 0, entry.element.position, entry.offset)
    }
    return problems.enumerated().sorted { order($0) < order($1) }.map(\.element)
  }
}

extension ConfigNode {
  /// The names in all `{env: NAME}` of the node.
  fileprivate var environmentNames: Set<String> {
    switch content {
    case .scalar: return []
    case .sequence(let items): return items.reduce(into: []) { $0.formUnion($1.environmentNames) }
    case .mapping(let entries):
      if entries.count == 1, entries[0].key == "env", case .scalar(let name, _) = entries[0].value.content {
        return [name]
      }
      return entries.reduce(into: []) { $0.formUnion($1.value.environmentNames) }
    }
  }
}
