"""How often the latency gate decides wrongly: laws of known percentiles through its own decision code."""

SURE = 3  # standard errors that a bar leaves to chance: of ninety bars at two, one or two would be missed by luck alone
