"""Comparing or averaging several runs of the same data."""
