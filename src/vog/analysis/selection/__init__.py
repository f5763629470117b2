"""Which examples to train with, by the scores of a run and by what people decided."""
