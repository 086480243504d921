"""How two states of a pipeline differ: what got looser, what got stricter, what changed otherwise."""
