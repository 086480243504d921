"""How sure a value is: influence functions, comparisons with a limit, the bootstrap."""
