"""Adapters around a model: weights in, observations out. One module for each framework."""

from vog.models.protocol import Model as Model
from vog.models.protocol import Weights as Weights
