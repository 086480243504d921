"""What a comparison of two signatures rests on: the order of MLflow's types, what its server coerces, likely renames."""
