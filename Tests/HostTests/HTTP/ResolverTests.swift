import AdapterAPI
import Synchronization
import TestSupport
import Testing

@testable import Host

/// The answers of name servers, by name. A name that is held is answered when it is released.
final class ScriptedNames: Sendable {
  private struct State {
    var answers: [String: Resolver.Outcome] = [:]
    var held: [String: ThreadSignal] = [:]
    var asked: [String] = []
  }
  private let state = Mutex(State())

  init(_ answers: [String: [String]] = [:]) {
    for (name, addresses) in answers { self[name] = addresses }
  }

  /// The numeric addresses of a name; nil: there is no such name.
  subscript(name: String) -> [String]? {
    get { nil }
    set {
      state.withLock { state in
        state.answers[name] = newValue.map { .success($0.compactMap { SocketAddress(numeric: $0, port: 80) }) }
      }
    }
  }

  func set(_ name: String, to addresses: [SocketAddress]) {
    state.withLock { $0.answers[name] = .success(addresses) }
  }

  func hold(_ name: String) { state.withLock { $0.held[name] = ThreadSignal() } }
  func release(_ name: String) { state.withLock { $0.held.removeValue(forKey: name) }?.signal() }

  /// The names that were asked for so far.
  var asked: [String] { state.withLock { $0.asked } }
  func count(_ name: String) -> Int { asked.count { $0 == name } }

  func lookUp(_ host: String, _ port: UInt16) -> Resolver.Outcome {
    let held = state.withLock { state in
      state.asked.append(host)
      return state.held[host]
    }
    held?.wait()
    return state.withLock { $0.answers[host] } ?? .failure(Resolver.Failure("no such name"))
  }
}

extension Resolver {
  convenience init(_ names: ScriptedNames, limit: Int = 256) { self.init(limit: limit) { names.lookUp($0, $1) } }

  /// Looks a name up on that loop; returns the numeric addresses, or the failure's text.
  func texts(_ host: String, on loop: EventLoop, within milliseconds: Int64 = 60_000) async -> [String] {
    await start(host, on: loop, within: milliseconds).value
  }

  func start(_ host: String, on loop: EventLoop, within milliseconds: Int64 = 60_000) -> Task<[String], Never> {
    task(on: loop) {
      let url = BaseURL(isTLS: false, host: host, port: 80, path: "")
      do throws(Resolver.Failure) {
        return try await self.entry(of: url, deadline: inMilliseconds(milliseconds)).addresses.map(\.host)
      } catch {
        return [error.detail]
      }
    }
  }
}

@Suite(.blocking) struct ResolverTests {
  @Test func `localhost as an absolute name is this machine, and no other absolute name loses its dot`() throws {
    let addresses = try Resolver.systemLookUp("localhost.", 80).get()
    #expect(!addresses.isEmpty && addresses.allSatisfy { ["127.0.0.1", "::1"].contains($0.host) })
    guard case .failure(let failure) = Resolver.systemLookUp("no-such-name.invalid.", 80) else {
      Issue.record("the name has an address")
      return
    }
    #expect(failure.detail.contains("'no-such-name.invalid.'"))
  }

  @Test func `a name whose server is silent delays no other name`() async {
    let names = ScriptedNames(["a": ["10.0.0.1"], "b": ["10.0.0.2"], "c": ["10.0.0.3"]])
    names.hold("a")
    names.hold("c")
    await withLoops(2) { group in
      let resolver = Resolver(names)
      let silent = ["a", "c"].map { resolver.start($0, on: group.loops[0]) }
      #expect(await eventually { names.asked.count == 2 })
      for loop in group.loops { #expect(await resolver.texts("b", on: loop) == ["10.0.0.2"]) }
      names.release("a")
      #expect(await silent[0].value == ["10.0.0.1"])
      names.release("c")
      #expect(await silent[1].value == ["10.0.0.3"])
    }
  }

  @Test func `all callers of a name wait for the same lookup, on whichever loop they are`() async {
    let names = ScriptedNames(["a": ["10.0.0.1"]])
    names.hold("a")
    await withLoops(3) { group in
      let resolver = Resolver(names)
      let callers = (0..<30).map { resolver.start("a", on: group.loops[$0 % 3]) }
      for loop in group.loops { _ = await onLoop(loop) { true } }
      names.release("a")
      for caller in callers { #expect(await caller.value == ["10.0.0.1"]) }
      #expect(await resolver.texts("a", on: group.loops[0]) == ["10.0.0.1"])
      #expect(names.asked == ["a"])
    }
  }

  @Test func `a caller whose time ends leaves the lookup, and a later one gets its addresses`() async {
    let names = ScriptedNames(["a": ["10.0.0.1"]])
    names.hold("a")
    await withLoop { loop in
      let resolver = Resolver(names)
      #expect(await resolver.texts("a", on: loop, within: 20) == ["the name 'a' was not resolved in time"])
      let cancelled = resolver.start("a", on: loop)
      #expect(await onLoop(loop) { true })
      cancelled.cancel()
      #expect(await cancelled.value == ["the caller left"])
      let later = resolver.start("a", on: loop)
      #expect(await onLoop(loop) { true })
      names.release("a")
      #expect(await later.value == ["10.0.0.1"])
      #expect(names.asked == ["a"])
      #expect(await onLoop(loop) { loop.allObjects.isEmpty })
    }
  }

  @Test func `a lookup beyond the limit fails with the reason, and the names under way are not affected`() async {
    let names = ScriptedNames(["a": ["10.0.0.1"], "b": ["10.0.0.2"], "c": ["10.0.0.3"]])
    names.hold("a")
    names.hold("b")
    await withLoop { loop in
      let resolver = Resolver(names, limit: 2)
      let first = ["a", "b", "a"].map { resolver.start($0, on: loop) }
      #expect(await eventually { names.asked.count == 2 })
      let refused = await resolver.texts("c", on: loop)
      #expect(refused == ["2 names are being looked up and none has an answer yet; 'c' is not"])
      names.release("a")
      names.release("b")
      #expect(await first[0].value == ["10.0.0.1"])
      #expect(await first[1].value == ["10.0.0.2"])
      #expect(await first[2].value == ["10.0.0.1"])
      #expect(await resolver.texts("c", on: loop) == ["10.0.0.3"])
    }
  }

  @Test func `a name that was not found is looked up again for the next caller`() async {
    let names = ScriptedNames()
    await withLoop { loop in
      let resolver = Resolver(names)
      #expect(await resolver.texts("a", on: loop) == ["no such name"])
      names["a"] = []
      #expect(await resolver.texts("a", on: loop) == ["the name 'a' has no address"])
      names["a"] = ["10.0.0.1"]
      #expect(await resolver.texts("a", on: loop) == ["10.0.0.1"])
    }
  }

  @Test(arguments: [
    (["::1", "::2", "10.0.0.1", "10.0.0.2"], ["::1", "10.0.0.1", "::2", "10.0.0.2"]),
    (["10.0.0.1", "10.0.0.2", "10.0.0.3", "::1"], ["10.0.0.1", "::1", "10.0.0.2", "10.0.0.3"]),
    (["10.0.0.1", "10.0.0.1", "::1", "::1"], ["10.0.0.1", "::1"]), (["::1"], ["::1"]),
  ])
  func `IPv6 and IPv4 addresses take turns, and each stands once`(_ found: [String], _ order: [String]) async {
    let names = ScriptedNames(["a": found])
    await withLoop { loop in #expect(await Resolver(names).texts("a", on: loop) == order) }
  }

  @Test func `the system resolves localhost, and the error for an unknown name contains it`() async {
    await withLoop { loop in
      let resolver = Resolver()
      #expect(await resolver.texts("localhost", on: loop).contains { ["127.0.0.1", "::1"].contains($0) })
      let unknown = await resolver.texts("pointgate.invalid", on: loop)
      #expect(unknown.first?.hasPrefix("the name 'pointgate.invalid' can't be resolved: ") == true)
    }
  }
}
