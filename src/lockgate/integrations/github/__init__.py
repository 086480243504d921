"""The ways a vote arrives, one file each."""
