"""Tables by the version, snapshot or partition that is meant."""
