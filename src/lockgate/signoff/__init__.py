"""Sign-off: owners, votes, and the decision that follows from them."""
