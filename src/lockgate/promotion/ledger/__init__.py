"""The ledger: entries, chain, standing, steps. Pure."""
