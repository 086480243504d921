"""How often the latency gate decides wrongly: laws of known percentiles through its own decision code."""
