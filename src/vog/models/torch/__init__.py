"""The adapter for PyTorch modules."""
