"""Keep a model in its box: what of this machine its processes may read, write and reach."""
