"""Several runs of the same data: side by side, or averaged into one."""
