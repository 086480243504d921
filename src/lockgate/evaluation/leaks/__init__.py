"""Whether what makes a candidate better is a single column that only it is given."""
