"""Analyses of one run: its examples, scores and stages."""
