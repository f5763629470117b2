"""Folds: each example is held out of one training, whose checkpoints then judge it."""
