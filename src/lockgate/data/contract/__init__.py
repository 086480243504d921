"""The feature contract: what holds for each input of the models, in whatever data they are given."""
