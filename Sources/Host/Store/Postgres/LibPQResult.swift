import CLibPQ

/// A result of libpq, freed with this object.
final class LibPQResult {
  private let libpq: LibPQ
  private let handle: LibPQ.Result

  init(_ handle: LibPQ.Result, _ libpq: LibPQ) {
    self.handle = handle
    self.libpq = libpq
  }

  deinit { libpq.clear(handle) }

  var status: ExecStatusType { libpq.resultStatus(handle) }

  /// The command tag, for example `COMMIT` or `INSERT 0 1`.
  var command: String { libpq.cmdStatus(handle).map { String(cString: $0) } ?? "" }

  /// The number of rows that the statement changed or returned; 0 for other statements.
  var changes: Int { libpq.cmdTuples(handle).flatMap { Int(String(cString: $0)) } ?? 0 }

  /// The five characters of SQLSTATE. Nil for an error of libpq itself: the connection is lost.
  var state: String? { field(Int32(UInt8(ascii: "C"))) }

  /// Names from the schema, which contain no stored data (PG_DIAG_CONSTRAINT_NAME, PG_DIAG_TABLE_NAME).
  var constraint: String? { field(Int32(UInt8(ascii: "n"))) }
  var table: String? { field(Int32(UInt8(ascii: "t"))) }

  private func field(_ code: Int32) -> String? { libpq.resultErrorField(handle, code).map { String(cString: $0) } }

  var rows: [SQLRow] {
    let columns = libpq.nfields(handle)
    return (0..<libpq.ntuples(handle)).map { row in
      SQLRow(values: (0..<columns).map { value(row, $0) })
    }
  }

  private func value(_ row: Int32, _ column: Int32) -> SQLValue {
    guard libpq.getisnull(handle, row, column) == 0, let start = libpq.getvalue(handle, row, column) else {
      return .null
    }
    let length = Int(libpq.getlength(handle, row, column))
    let bytes = UnsafeRawBufferPointer(start: start, count: length)
    return .text(String(decoding: bytes, as: UTF8.self))
  }
}
