"""What models answer about altered rows: how rows are altered, who is asked, and what came of it."""
