"""Compute again what every checkpoint of a run says about one example."""
