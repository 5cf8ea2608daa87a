import AdapterTestKit
import Lamp
import Testing

@Test(arguments: AdapterConformance.Check.allCases)
func `the lamp conforms`(_ check: AdapterConformance.Check) async throws {
  let kit = AdapterConformance(isRaw: false, bodies: [.values: #"{"codes":["LAMP"]}"#]) {
    let log = CollectingLog()
    return .init(adapter: try AdapterMaking.make(Lamp.self, [], log: log), log: log)
  }
  try await kit.run(check)
}
