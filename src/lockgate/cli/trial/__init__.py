"""`gate try`: models that nobody registered, judged without a pipeline that somebody wrote."""
