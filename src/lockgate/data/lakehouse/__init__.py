"""Folders whose files a log governs: Delta is read by it, the others are refused."""
