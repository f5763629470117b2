"""Folds: each example is left out of one training, whose checkpoints then score it."""
