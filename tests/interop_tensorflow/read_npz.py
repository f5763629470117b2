import numpy as np


def read(path):
    return dict(np.load(path))
