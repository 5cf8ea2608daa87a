import Foundation
import Testing

@testable import Host

/// Many schedules of trouble, each decided by its seed, which a failure names. `SIMULATION_SEEDS` runs more of them.
@Suite struct TokenSimulationTests {
  static let seeds = 1...max(1, ProcessInfo.processInfo.environment["SIMULATION_SEEDS"].flatMap { UInt64($0) } ?? 20)

  private func simulate(
    _ seed: UInt64, _ trouble: TokenSimulation.Trouble, _ sharing: StoreSharing = .network
  ) -> TokenSimulation {
    let name = "seed \(seed), \(trouble)"
    let simulation = TokenSimulation(seed: seed, trouble: trouble, sharing: sharing)
    simulation.makeTrouble()
    simulation.run(.seconds(60))
    simulation.calmDown()
    // A process that was killed last comes back, and a lease that nobody holds any more ends.
    simulation.run(.seconds(15))
    let before = simulation.upstream
    let version = simulation.store.pair?.version ?? 0
    simulation.run(.seconds(15))
    #expect(simulation.upstream.authorizations == before.authorizations, "\(name): authorized when all was well")
    #expect(simulation.upstream.reused == before.reused, "\(name)")
    let exchanges = simulation.upstream.refreshes - before.refreshes
    let written = (simulation.store.pair?.version ?? 0) - version
    // One refresh per life of a token, 10 or a little more in 15 seconds; one may be on its way to the row.
    #expect((9...16).contains(exchanges), "\(name): \(exchanges) refreshes")
    #expect(abs(Int64(exchanges) - written) <= 1, "\(name): \(exchanges) refreshes, \(written) stored")
    var steps = 0
    while !simulation.isUnited, steps < 500 {
      simulation.run(.milliseconds(10))
      steps += 1
    }
    #expect(simulation.isUnited, "\(name): not everybody uses the stored pair")
    #expect(simulation.violations.isEmpty, "\(name)\n\(simulation.violations.prefix(2).joined(separator: "\n"))")
    #expect(simulation.served > 500, "\(name)")
    return simulation
  }

  @Test(arguments: [StoreSharing.network, .machine])
  func `without trouble one process authorizes once and every refresh token is used once`(sharing: StoreSharing) {
    for seed in Self.seeds {
      let simulation = simulate(seed, [], sharing)
      #expect(simulation.upstream.authorizations == 1, "seed \(seed)")
      #expect(simulation.upstream.reused == 0, "seed \(seed)")
    }
  }

  @Test(arguments: [TokenSimulation.Trouble.freezes, .kills, [.freezes, .kills]])
  func `processes that stand still or die cost one rejected refresh each at most`(trouble: TokenSimulation.Trouble) {
    for seed in Self.seeds {
      let simulation = simulate(seed, trouble)
      #expect(simulation.upstream.reused <= simulation.interruptions, "seed \(seed)")
      #expect(simulation.upstream.authorizations <= 1 + simulation.interruptions, "seed \(seed)")
    }
  }

  @Test func `answers of the store that get lost cost nothing`() {
    for seed in Self.seeds {
      let simulation = simulate(seed, .lostAnswers)
      #expect(simulation.upstream.reused == 0, "seed \(seed)")
    }
  }

  @Test(arguments: [TokenSimulation.Trouble.outages, .hangs, [.outages, .hangs, .lostAnswers]])
  func `while the store is away nobody goes without a token`(trouble: TokenSimulation.Trouble) {
    for seed in Self.seeds { _ = simulate(seed, trouble) }
  }

  @Test func `all of it together`() {
    for seed in Self.seeds { _ = simulate(seed, [.freezes, .kills, .lostAnswers, .outages, .hangs]) }
  }
}
