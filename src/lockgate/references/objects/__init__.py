"""Objects of stores and files, by the version or the digest that each store gives them."""
