"""How well scores find examples that are known to be of a kind."""
