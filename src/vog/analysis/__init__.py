"""Functions that compute small frozen results from the columns of a run."""
