"""How a verdict came about: the line, the numbers, the test by its name, and what would flip it; from evidence alone."""
