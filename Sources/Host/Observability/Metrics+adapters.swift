import AdapterAPI

extension Metrics {
  /// Appends the counters of the adapters.
  func render(adapters: [AdapterMetrics], into out: inout Exposition) {
    renderRequests(adapters, into: &out)
    out.family("gateway_token_refresh_total", .counter, "Token exchanges with the upstream, by outcome.")
    for adapter in adapters {
      for outcome in RefreshOutcome.allCases {
        out.sample(
          "gateway_token_refresh_total", [("adapter", adapter.adapter), ("outcome", outcome.rawValue)],
          adapter.refreshCount(outcome))
      }
    }
    out.family(
      "gateway_coalesced_requests_total", .counter,
      "Requests without an upstream call of their own; identical: they joined a call in flight, merged: their codes were part "
        + "of a batch, cached: they got a cached response.")
    for adapter in adapters {
      for kind in CoalescedKind.allCases {
        out.sample(
          "gateway_coalesced_requests_total", [("adapter", adapter.adapter), ("kind", kind.rawValue)],
          adapter.coalescedCount(kind))
      }
    }
    out.family("gateway_writes_total", .counter, "Writes by outcome; unknown: sent, but no response arrived.")
    for adapter in adapters {
      for operation in Operation.allCases where operation.isWrite {
        for outcome in WriteOutcome.allCases {
          out.sample(
            "gateway_writes_total",
            [("adapter", adapter.adapter), ("kind", operation.rawValue), ("outcome", outcome.rawValue)],
            adapter.writeCount(operation, outcome))
        }
      }
    }
  }

  /// Appends the gauges of the adapters.
  func render(gaugesOf adapters: [AdapterMetrics], into out: inout Exposition) {
    out.family("gateway_upstream_inflight", .gauge, "Upstream calls in flight.")
    for adapter in adapters {
      out.sample("gateway_upstream_inflight", [("adapter", adapter.adapter)], adapter.inFlight.value)
    }
    out.family("gateway_breaker_state", .gauge, "Circuit breaker: 0 closed, 1 half-open, 2 open.")
    for adapter in adapters {
      out.sample("gateway_breaker_state", [("adapter", adapter.adapter)], adapter.breakerState)
    }
    out.family(
      "gateway_token_expires_at_seconds", .gauge,
      "Time at which the upstream token in use expires, as Unix time; absent without a token.")
    for adapter in adapters {
      guard let milliseconds = adapter.tokenExpiry else { continue }
      out.sample(
        "gateway_token_expires_at_seconds", [("adapter", adapter.adapter)], seconds: UInt64(max(milliseconds, 0)),
        per: 1000)
    }
  }

  private func renderRequests(_ adapters: [AdapterMetrics], into out: inout Exposition) {
    out.family(
      "gateway_upstream_requests_total", .counter,
      "Upstream calls by operation and outcome; shed: not sent, because no permit or no budget was left.")
    for adapter in adapters {
      for operation in Operation.allCases {
        for outcome in UpstreamClass.allCases {
          out.sample(
            "gateway_upstream_requests_total",
            [("adapter", adapter.adapter), ("operation", operation.rawValue), ("class", outcome.rawValue)],
            adapter.requestCount(operation, outcome))
        }
      }
    }
    out.family(
      "gateway_upstream_request_duration_seconds", .histogram,
      "Duration of upstream calls, from sending the request to the end of the response.")
    for adapter in adapters {
      for operation in Operation.allCases {
        out.histogram(
          "gateway_upstream_request_duration_seconds",
          [("adapter", adapter.adapter), ("operation", operation.rawValue)], adapter.duration(operation))
      }
    }
  }
}
