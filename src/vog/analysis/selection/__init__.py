"""Selection of the examples to train with, by the scores of a run and by the marks of people."""
