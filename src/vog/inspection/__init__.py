"""One example of a run under every checkpoint, computed again."""
