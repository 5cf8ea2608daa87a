import AdapterAPI
import Synchronization

/// Remembers the codes that were read with good values through this gateway, for upstreams that can't list their points. A sync
/// offers them as objects.
///
/// Requests only hand over responses with `offer`, and only those to lists of codes that are new (`ReadLists`). A thread of its
/// own reads the codes and stores the new ones, so no request waits for it.
final class ReadCodes: Sendable {
  /// The largest number of codes for one upstream.
  static let maximum = 10_000
  /// The number of responses that may wait. Further ones are not taken, and offered again with the next request.
  static let maximumWaiting = 64

  private struct Offer {
    let upstream: String
    let response: [UInt8]
  }

  private struct State {
    var waiting: [Offer] = []
    /// Stores what waits; nil when nothing does.
    var storing: Task<Void, Never>?
  }

  private let state = Mutex(State())
  private let writer: Writer

  init(store: Store) { writer = Writer(store) }

  /// Takes the beginning of a successful response.
  ///
  /// - Parameter executor: starts the work; reading the response and storing its codes happens on a thread of its own.
  /// - Returns: false when too many responses wait.
  func offer(_ response: [UInt8], from upstream: String, on executor: any TaskExecutor) -> Bool {
    state.withLock { state in
      guard state.waiting.count < Self.maximumWaiting else { return false }
      state.waiting.append(Offer(upstream: upstream, response: response))
      if state.storing == nil {
        state.storing = Task(executorPreference: executor) { [self] in await storeWaiting() }
      }
      return true
    }
  }

  /// Returns the codes that were read so far, those of responses that still wait included.
  func codes(of upstream: String) async throws(StoreError) -> [String] {
    await state.withLock { $0.storing }?.value
    return try await writer.store.readCodes(of: upstream)
  }

  private func storeWaiting() async {
    while true {
      let offers = state.withLock { state in
        defer { state.waiting = [] }
        if state.waiting.isEmpty { state.storing = nil }
        return state.waiting
      }
      if offers.isEmpty { return }
      for offer in offers { await writer.add(offer.response, of: offer.upstream) }
    }
  }

  /// Reads and stores codes on its own thread, for one caller at a time.
  private actor Writer {
    nonisolated let store: Store
    private nonisolated let worker = WorkerThread()
    /// The codes that are stored, for each upstream that was used.
    private var known: [String: Set<ObjectCode>] = [:]

    nonisolated var unownedExecutor: UnownedSerialExecutor { worker.asUnownedSerialExecutor() }

    init(_ store: Store) { self.store = store }

    /// Codes that can't be stored now are forgotten; a request for them offers them again after some minutes.
    func add(_ response: [UInt8], of upstream: String) async {
      let codes = ReadCodes.codes(in: response)
      do throws(StoreError) {
        if known[upstream] == nil {
          known[upstream] = Set(try await store.readCodes(of: upstream).map(ObjectCode.init))
        }
        var stored = known[upstream] ?? []
        let new = codes.filter { stored.count < ReadCodes.maximum && stored.insert(ObjectCode($0)).inserted }
        if new.isEmpty { return }
        try await store.addReadCodes(new, of: upstream, limit: ReadCodes.maximum)
        known[upstream] = stored
      } catch {
        known[upstream] = nil
      }
    }
  }

  // MARK: Reading a response

  /// Returns the codes with good values in the beginning of a response to `values`: a value that is not null and not empty, and
  /// no error.
  static func codes(in response: [UInt8]) -> [String] {
    (value(response)?["ResultPointObjArr"]?.array ?? []).compactMap { element in
      guard let code = element["pointId"]?.string, isStorable(code), element["error"] == nil else { return nil }
      switch element["value"] {
      case .number?, .flag?: return code
      case .string(let text)? where !text.isEmpty: return code
      default: return nil
      }
    }
  }

  /// Parses a response. One that is cut off ends with its last whole element.
  private static func value(_ response: [UInt8]) -> JSONValue? {
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    let text = response.starts(with: mark) ? Array(response.dropFirst(mark.count)) : response
    if let value = try? JSONValue(parsing: text) { return value }
    let end = text.indices.dropLast().last { text[$0] == UInt8(ascii: "}") && text[$0 + 1] == UInt8(ascii: ",") }
    return end.flatMap { try? JSONValue(parsing: text[...$0] + Array("]}".utf8)) }
  }

  private static func isStorable(_ code: String) -> Bool {
    !code.isEmpty && code.unicodeScalars.count <= ObjectDraft.maximumCode
      && !code.unicodeScalars.contains { $0.properties.generalCategory == .control }
  }
}

/// The lists of codes whose responses were handed over. Each loop has its own.
struct ReadLists {
  /// The number of lists that are remembered; they are forgotten together.
  static let maximum = 4096
  /// The time after which lists are looked at again: a point may have had no good value at first.
  static let life = Duration.seconds(600)

  private var seen: Set<UInt64> = []
  private var end = Instant(nanoseconds: 0)

  init() {}

  /// Returns whether the list is new. Called for every response, so it costs a hash and a look-up.
  mutating func isNew(_ body: [UInt8], _ upstream: Int, at now: Instant) -> Bool {
    if now >= end {
      seen.removeAll(keepingCapacity: true)
      end = now + Self.life
    }
    return !seen.contains(Self.hash(body, upstream))
  }

  mutating func insert(_ body: [UInt8], _ upstream: Int) {
    if seen.count >= Self.maximum { seen.removeAll(keepingCapacity: true) }
    seen.insert(Self.hash(body, upstream))
  }

  /// Reads eight bytes at a time. Lists that collide are taken for the same one, which only delays what is remembered.
  private static func hash(_ body: [UInt8], _ upstream: Int) -> UInt64 {
    body.withUnsafeBytes { bytes in
      var hash = UInt64(truncatingIfNeeded: upstream) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(bytes.count)
      var index = 0
      while index + 8 <= bytes.count {
        hash = (hash ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)) &* 0xff51_afd7_ed55_8ccd
        hash ^= hash >> 32
        index += 8
      }
      while index < bytes.count {
        hash = (hash ^ UInt64(bytes[index])) &* 0xff51_afd7_ed55_8ccd
        hash ^= hash >> 32
        index += 1
      }
      return hash
    }
  }
}
