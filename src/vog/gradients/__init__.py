"""Gradients as files: store the gradient of every example, and score stored gradients."""
