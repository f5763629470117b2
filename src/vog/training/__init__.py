"""Samplers for the training loop of the user."""
