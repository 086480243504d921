"""How often does the gate decide rightly? Seeded simulations, and the bars that they are held against."""
