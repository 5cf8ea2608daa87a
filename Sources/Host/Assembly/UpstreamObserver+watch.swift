import AdapterAPI

extension UpstreamObserver {
  /// Tells the watch which requests say that the upstream can or can't be reached.
  ///
  /// No connection, a broken one and a time limit of the upstream say that it can't. A response says that it can, whatever it means for
  /// the caller, except 502, 503 and 504, with which a proxy says that it does not reach the upstream either. Those, a response that
  /// is malformed, and a request that was not sent for another reason say nothing.
  init(_ watch: UpstreamWatch, of baseURL: BaseURL) {
    let address = baseURL.origin
    self.init(
      responded: { status, now in
        if !(502...504).contains(status) { watch.responded(address, at: now) }
      },
      failed: { failure, began in
        let isSilence = failure.kind == .unreachable || failure.kind == .timeout
        if isSilence, !failure.responseBegan { watch.failed(address, failure.detail, began: began) }
      })
  }
}
