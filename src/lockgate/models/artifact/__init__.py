"""The files of a model, looked at before anything of it is loaded: formats, pickles, archives, links and names."""
