"""The report of a run: one page with the results, which opens offline and can be sent."""
