"""Labels of a run that are probably wrong, and the probability of it."""
