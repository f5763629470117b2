"""Experiments that need no data of the user."""
