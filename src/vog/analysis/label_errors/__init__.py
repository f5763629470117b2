"""Which labels of a run are probably wrong, and how sure that is."""
