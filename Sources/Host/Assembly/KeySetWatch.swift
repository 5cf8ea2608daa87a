import AdapterAPI

/// Finds changes of the JWK set files that a configuration names. Used on the main thread.
struct KeySetWatch {
  enum Change {
    /// The keys of the new texts, the configuration that holds them, and warnings about the entries that are left out.
    case changed(Configuration.Auth, KeyRing, warnings: [ConfigError])
    case refused([ConfigError])
  }

  /// The texts as they were read last, usable or not, so that an unusable set is reported once.
  private var lastRead: [String] = []

  /// The configuration has JWK sets in files.
  static func applies(to auth: Configuration.Auth) -> Bool {
    auth.keys.contains { if case .keySet = $0.material { true } else { false } }
  }

  /// Reads the files again; nil when no text has changed since the last call.
  mutating func readAgain(_ current: Configuration.Auth) -> Change? {
    var auth = current
    for index in auth.keys.indices {
      guard case .keySet(let json, let path) = auth.keys[index].material else { continue }
      // A file that can't be read now, for example because it is being replaced, is read again the next time.
      auth.keys[index].material = .keySet(json: (try? TextFile.readText(path).get()) ?? json, path: path)
    }
    let texts = auth.keySets
    defer { lastRead = texts }
    guard texts != lastRead, texts != current.keySets else { return nil }
    let problems = Settings.Problems()
    guard let keys = KeyRing.make(auth, problems: problems), !problems.hasErrors else {
      return .refused(problems.all.filter { $0.severity == .error })
    }
    return .changed(auth, keys, warnings: problems.all)
  }
}
