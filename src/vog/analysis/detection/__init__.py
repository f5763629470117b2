"""Measures of how well scores find examples of a known kind."""
