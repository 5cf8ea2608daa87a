import Synchronization

/// Remembers which addresses of an upstream accepted connections, for all loops.
final class AddressBook: Sendable {
  private let history = Mutex(AddressHistory())

  /// Returns the addresses in the order in which a new connection tries them.
  func ordered(_ addresses: [SocketAddress]) -> [SocketAddress] {
    addresses.count < 2 ? addresses : history.withLock { $0.ordered(addresses) }
  }

  /// An address has accepted a connection before these slower ones, at which attempts were under way.
  func connected(to address: SocketAddress, before slower: [SocketAddress]) {
    history.withLock { $0.connected(to: address, before: slower) }
  }

  func failed(_ address: SocketAddress) { history.withLock { $0.failed(address) } }
}

/// The order of an upstream's addresses: first the one that accepted the last connection, then those that have not failed, then those
/// that have, the longest ago first.
struct AddressHistory {
  private var connected: SocketAddress?
  private var failed: [SocketAddress] = []

  mutating func ordered(_ addresses: [SocketAddress]) -> [SocketAddress] {
    // An address that the name no longer has is forgotten.
    failed.removeAll { !addresses.contains($0) }
    let first = addresses.filter { $0 == connected }
    return first + addresses.filter { $0 != connected && !failed.contains($0) } + failed
  }

  /// - Parameter slower: Addresses at which attempts had begun earlier and were still under way.
  mutating func connected(to address: SocketAddress, before slower: [SocketAddress]) {
    for address in slower { failed(address) }
    failed.removeAll { $0 == address }
    connected = address
  }

  mutating func failed(_ address: SocketAddress) {
    failed.removeAll { $0 == address }
    failed.append(address)
    if connected == address { connected = nil }
  }
}
