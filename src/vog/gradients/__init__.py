"""Gradients as files: stored for whoever wants to look at each, and scored from such files."""
