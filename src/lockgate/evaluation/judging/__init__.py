"""From estimates to findings, and the sentences about them."""
