import CLibPQ
import Glibc

/// PostgreSQL's client library, loaded when a store needs it. It is not linked, because most gateways never use it.
///
/// Contains the functions that the store calls, under their names in `libpq-fe.h` without `PQ`. Their signatures are
/// the same in every library named `libpq.so.5`.
final class LibPQ: Sendable {
  typealias Connection = OpaquePointer
  typealias Result = OpaquePointer
  typealias Text = UnsafePointer<CChar>
  typealias MutableText = UnsafeMutablePointer<CChar>
  typealias Options = UnsafeMutablePointer<PQconninfoOption>

  let libVersion: @convention(c) @Sendable () -> Int32

  // Connecting
  let conninfoParse: @convention(c) @Sendable (Text?, UnsafeMutablePointer<MutableText?>?) -> Options?
  let conninfoFree: @convention(c) @Sendable (Options?) -> Void
  let connectStartParams: @convention(c) @Sendable (UnsafePointer<Text?>?, UnsafePointer<Text?>?, Int32) -> Connection?
  let connectPoll: @convention(c) @Sendable (Connection?) -> PostgresPollingStatusType
  let setNonblocking: @convention(c) @Sendable (Connection?, Int32) -> Int32
  let setErrorVerbosity: @convention(c) @Sendable (Connection?, PGVerbosity) -> PGVerbosity
  let setNoticeReceiver:
    @convention(c) @Sendable (Connection?, PQnoticeReceiver?, UnsafeMutableRawPointer?) -> PQnoticeReceiver?
  let finish: @convention(c) @Sendable (Connection?) -> Void

  // Connection state
  let status: @convention(c) @Sendable (Connection?) -> ConnStatusType
  let transactionStatus: @convention(c) @Sendable (Connection?) -> PGTransactionStatusType
  let socket: @convention(c) @Sendable (Connection?) -> Int32
  let errorMessage: @convention(c) @Sendable (Connection?) -> MutableText?
  let host: @convention(c) @Sendable (Connection?) -> MutableText?
  let port: @convention(c) @Sendable (Connection?) -> MutableText?
  let pass: @convention(c) @Sendable (Connection?) -> MutableText?

  // Sending and receiving
  let sendQuery: @convention(c) @Sendable (Connection?, Text?) -> Int32
  let sendQueryParams:
    @convention(c) @Sendable (
      Connection?, Text?, Int32, UnsafePointer<Oid>?, UnsafePointer<Text?>?, UnsafePointer<Int32>?,
      UnsafePointer<Int32>?, Int32
    ) -> Int32
  let putCopyData: @convention(c) @Sendable (Connection?, Text?, Int32) -> Int32
  let putCopyEnd: @convention(c) @Sendable (Connection?, Text?) -> Int32
  let flush: @convention(c) @Sendable (Connection?) -> Int32
  let consumeInput: @convention(c) @Sendable (Connection?) -> Int32
  let isBusy: @convention(c) @Sendable (Connection?) -> Int32
  let getResult: @convention(c) @Sendable (Connection?) -> Result?
  let notifies: @convention(c) @Sendable (Connection?) -> UnsafeMutablePointer<PGnotify>?
  let freemem: @convention(c) @Sendable (UnsafeMutableRawPointer?) -> Void

  // Results
  let resultStatus: @convention(c) @Sendable (Result?) -> ExecStatusType
  let resultErrorField: @convention(c) @Sendable (Result?, Int32) -> MutableText?
  let ntuples: @convention(c) @Sendable (Result?) -> Int32
  let nfields: @convention(c) @Sendable (Result?) -> Int32
  let getvalue: @convention(c) @Sendable (Result?, Int32, Int32) -> MutableText?
  let getlength: @convention(c) @Sendable (Result?, Int32, Int32) -> Int32
  let getisnull: @convention(c) @Sendable (Result?, Int32, Int32) -> Int32
  let cmdStatus: @convention(c) @Sendable (Result?) -> MutableText?
  let cmdTuples: @convention(c) @Sendable (Result?) -> MutableText?
  let clear: @convention(c) @Sendable (Result?) -> Void

  init() throws(StoreError) {
    // Never unloaded: TLS libraries leave handlers behind.
    guard let library = dlopen("libpq.so.5", RTLD_NOW) else {
      throw StoreError(
        .unavailable, "PostgreSQL's client library libpq.so.5 can't be opened; install the package libpq5.")
    }
    func symbol<Function>(_ name: String) throws(StoreError) -> Function {
      guard let address = dlsym(library, name) else {
        throw StoreError(
          .unavailable, "PostgreSQL's client library lacks '\(name)'; install libpq5, version 12 or later.")
      }
      return unsafeBitCast(address, to: Function.self)
    }
    libVersion = try symbol("PQlibVersion")
    conninfoParse = try symbol("PQconninfoParse")
    conninfoFree = try symbol("PQconninfoFree")
    connectStartParams = try symbol("PQconnectStartParams")
    connectPoll = try symbol("PQconnectPoll")
    setNonblocking = try symbol("PQsetnonblocking")
    setErrorVerbosity = try symbol("PQsetErrorVerbosity")
    setNoticeReceiver = try symbol("PQsetNoticeReceiver")
    finish = try symbol("PQfinish")
    status = try symbol("PQstatus")
    transactionStatus = try symbol("PQtransactionStatus")
    socket = try symbol("PQsocket")
    errorMessage = try symbol("PQerrorMessage")
    host = try symbol("PQhost")
    port = try symbol("PQport")
    pass = try symbol("PQpass")
    sendQuery = try symbol("PQsendQuery")
    sendQueryParams = try symbol("PQsendQueryParams")
    putCopyData = try symbol("PQputCopyData")
    putCopyEnd = try symbol("PQputCopyEnd")
    flush = try symbol("PQflush")
    consumeInput = try symbol("PQconsumeInput")
    isBusy = try symbol("PQisBusy")
    getResult = try symbol("PQgetResult")
    notifies = try symbol("PQnotifies")
    freemem = try symbol("PQfreemem")
    resultStatus = try symbol("PQresultStatus")
    resultErrorField = try symbol("PQresultErrorField")
    ntuples = try symbol("PQntuples")
    nfields = try symbol("PQnfields")
    getvalue = try symbol("PQgetvalue")
    getlength = try symbol("PQgetlength")
    getisnull = try symbol("PQgetisnull")
    cmdStatus = try symbol("PQcmdStatus")
    cmdTuples = try symbol("PQcmdTuples")
    clear = try symbol("PQclear")
  }

  /// For example `15.18`.
  var version: String {
    let number = libVersion()
    return "\(number / 10_000).\(number % 10_000)"
  }
}
