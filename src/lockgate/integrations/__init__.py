"""Git, GitHub and webhooks."""
