"""Adapters around a model: weights in, outputs and gradients out. One module for each framework."""

from vog.models.protocol import Model as Model
from vog.models.protocol import Outputs as Outputs
from vog.models.protocol import Weights as Weights
