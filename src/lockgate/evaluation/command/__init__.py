"""What a command reports: its files, its process, and the findings that it leaves."""
