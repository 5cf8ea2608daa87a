import AdapterAPI

extension Metrics {
  /// Appends the counters of the adapters.
  func render(adapters: [AdapterMetrics], into out: inout Exposition) {
    renderRequests(adapters, into: &out)
    renderTransport(adapters, into: &out)
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
      "Requests that needed no upstream call of their own, by the reason: identical (joined a call in flight), merged (their "
        + "codes were part of a batch), cached.")
    for adapter in adapters {
      for kind in CoalescedKind.allCases {
        out.sample(
          "gateway_coalesced_requests_total", [("adapter", adapter.adapter), ("kind", kind.rawValue)],
          adapter.coalescedCount(kind))
      }
    }
    out.family(
      "gateway_writes_total", .counter,
      "Writes that went upstream or failed there, by outcome (unknown: sent, but no response arrived).")
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
    out.family(
      "gateway_upstream_up", .gauge, "1 while the upstream responds; 0 after several calls in a row without a response."
    )
    for adapter in adapters {
      out.sample("gateway_upstream_up", [("adapter", adapter.adapter)], adapter.isUp ? 1 : 0)
    }
    out.family("gateway_upstream_inflight", .gauge, "Upstream calls in flight, with those that wait in the queue.")
    for adapter in adapters {
      out.sample("gateway_upstream_inflight", [("adapter", adapter.adapter)], adapter.inFlight.value)
    }
    out.family("gateway_upstream_queue_length", .gauge, "Upstream calls that wait in the queue for their turn.")
    for adapter in adapters {
      out.sample("gateway_upstream_queue_length", [("adapter", adapter.adapter)], adapter.queueLength)
    }
    out.family(
      "gateway_upstream_connections", .gauge, "Connections to the upstream, by state (active: opening, or with a call)."
    )
    for adapter in adapters {
      for (state, count) in adapter.connectionCounts {
        out.sample("gateway_upstream_connections", [("adapter", adapter.adapter), ("state", state)], count)
      }
    }
    out.family("gateway_budget_remaining", .gauge, "Calls that are left in the adapter's budget, by its limits.")
    for adapter in adapters {
      for (window, count) in adapter.budgetsRemaining {
        out.sample("gateway_budget_remaining", [("adapter", adapter.adapter), ("window", window)], count)
      }
    }
    out.family("gateway_breaker_state", .gauge, "State of the circuit breaker: 0 closed, 1 half-open, 2 open.")
    for adapter in adapters {
      out.sample("gateway_breaker_state", [("adapter", adapter.adapter)], adapter.breakerState)
    }
    out.family(
      "gateway_token_expires_at_seconds", .gauge,
      "Time at which the upstream's token in use expires, in seconds since 1970.")
    for adapter in adapters {
      guard let milliseconds = adapter.tokenExpiry else { continue }
      out.sample(
        "gateway_token_expires_at_seconds", [("adapter", adapter.adapter)], seconds: UInt64(max(milliseconds, 0)),
        per: 1000)
    }
  }

  private func renderTransport(_ adapters: [AdapterMetrics], into out: inout Exposition) {
    out.family(
      "gateway_upstream_queue_wait_seconds", .histogram,
      "Time that upstream calls waited in the queue, of those that had to wait.")
    for adapter in adapters {
      out.histogram("gateway_upstream_queue_wait_seconds", [("adapter", adapter.adapter)], adapter.queueWait)
    }
    out.family("gateway_upstream_received_bytes_total", .counter, "Bytes received from the upstream.")
    for adapter in adapters {
      out.sample("gateway_upstream_received_bytes_total", [("adapter", adapter.adapter)], adapter.traffic.received)
    }
    out.family("gateway_upstream_sent_bytes_total", .counter, "Bytes sent to the upstream.")
    for adapter in adapters {
      out.sample("gateway_upstream_sent_bytes_total", [("adapter", adapter.adapter)], adapter.traffic.sent)
    }
  }

  private func renderRequests(_ adapters: [AdapterMetrics], into out: inout Exposition) {
    out.family(
      "gateway_upstream_requests_total", .counter,
      "Upstream calls, by operation and outcome (shed: not sent, because the queue was full or the budget used up).")
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
      "Time of upstream calls from their start, with the wait in the queue, to the end or the first 64 KiB of the response."
    )
    for adapter in adapters {
      for operation in Operation.allCases {
        out.histogram(
          "gateway_upstream_request_duration_seconds",
          [("adapter", adapter.adapter), ("operation", operation.rawValue)], adapter.duration(operation))
      }
    }
  }
}
