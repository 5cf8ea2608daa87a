import Foundation
import Testing

@testable import Host

/// Simulations with many schedules of faults. A failure names the seed of its schedule. `SIMULATION_SEEDS` sets their number.
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
    // The last killed process starts again, and the lease of a dead process ends.
    simulation.run(.seconds(15))
    let before = simulation.upstream
    let version = simulation.store.pair?.version ?? 0
    simulation.run(.seconds(15))
    #expect(simulation.upstream.authorizations == before.authorizations, "\(name): authorized without a fault")
    #expect(simulation.upstream.reused == before.reused, "\(name)")
    let exchanges = simulation.upstream.refreshes - before.refreshes
    let written = (simulation.store.pair?.version ?? 0) - version
    // One refresh per token lifetime: 10 or a few more in 15 seconds. One pair may not be stored yet.
    #expect((9...16).contains(exchanges), "\(name): \(exchanges) refreshes")
    #expect(abs(Int64(exchanges) - written) <= 1, "\(name): \(exchanges) refreshes, \(written) stored")
    var steps = 0
    while !simulation.isUnited, steps < 500 {
      simulation.run(.milliseconds(10))
      steps += 1
    }
    #expect(simulation.isUnited, "\(name): some process does not use the stored pair")
    #expect(simulation.violations.isEmpty, "\(name)\n\(simulation.violations.prefix(2).joined(separator: "\n"))")
    #expect(simulation.served > 500, "\(name)")
    return simulation
  }

  @Test(arguments: [StoreSharing.network, .machine])
  func `without faults one process authorizes once and every refresh token is used once`(sharing: StoreSharing) {
    for seed in Self.seeds {
      let simulation = simulate(seed, [], sharing)
      #expect(simulation.upstream.authorizations == 1, "seed \(seed)")
      #expect(simulation.upstream.reused == 0, "seed \(seed)")
    }
  }

  @Test(arguments: [TokenSimulation.Trouble.freezes, .kills, [.freezes, .kills]])
  func `each standstill or death of a process costs at most one rejected refresh`(trouble: TokenSimulation.Trouble) {
    for seed in Self.seeds {
      let simulation = simulate(seed, trouble)
      #expect(simulation.upstream.reused <= simulation.interruptions, "seed \(seed)")
      #expect(simulation.upstream.authorizations <= 1 + simulation.interruptions, "seed \(seed)")
    }
  }

  @Test func `lost responses of the store cause no rejected refresh`() {
    for seed in Self.seeds {
      let simulation = simulate(seed, .lostResponses)
      #expect(simulation.upstream.reused == 0, "seed \(seed)")
    }
  }

  @Test(arguments: [TokenSimulation.Trouble.outages, .hangs, [.outages, .hangs, .lostResponses]])
  func `every caller gets a token while the store is unavailable`(trouble: TokenSimulation.Trouble) {
    for seed in Self.seeds { _ = simulate(seed, trouble) }
  }

  @Test func `all faults together violate no invariant`() {
    for seed in Self.seeds { _ = simulate(seed, [.freezes, .kills, .lostResponses, .outages, .hangs]) }
  }
}
