"""Systems around the gate: Git, GitHub, webhooks."""
