"""Latency benchmarks: block schedule, recorded times, request log, percentiles and rates."""
