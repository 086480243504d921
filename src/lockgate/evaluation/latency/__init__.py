"""Latency benchmarks: blocks of requests, recorded times, percentiles and rates."""
