import Testing

@testable import Host

@Suite struct DescriptorBudgetTests {
  /// Returns the number of client connections, with two event loops and one adapter of 64 connections.
  private func clients(_ maxConnections: Int, of available: Int?) throws -> Int {
    var configuration = try #require(GatewayRig.source().load().checked).configuration
    configuration.listen.maxConnections = maxConnections
    return DescriptorBudget(configuration, loops: 2, available: available).clients
  }

  @Test func `clients get as many connections as the configuration says where there are enough descriptors`() throws {
    #expect(try clients(20_000, of: 1_048_576) == 20_000)
    #expect(try clients(100, of: 200) == 100)
    #expect(try clients(20_000, of: nil) == 20_000)
    #expect(try clients(20_000, of: .max) == 20_000)
  }

  @Test func `descriptors for upstreams, store and admin are kept back, at most half of all`() throws {
    #expect(try clients(20_000, of: 1024) == 1024 - (32 + 4 + 64))
    #expect(try clients(20_000, of: 64) == 32)
    #expect(try clients(20_000, of: 1) == 1)
  }
}
