"""Adapters around a model: weights in, outputs and gradients out. One module for each framework."""

from vog.data.inputs import NamedTensors as NamedTensors
from vog.models.last_layer import LinearLastLayer as LinearLastLayer
from vog.models.protocol import FittedWeights as FittedWeights
from vog.models.protocol import LastLayer as LastLayer
from vog.models.protocol import Model as Model
from vog.models.protocol import Outputs as Outputs
from vog.models.protocol import StateBesideWeightsError as StateBesideWeightsError
from vog.models.protocol import Variant as Variant
from vog.models.protocol import Weights as Weights
from vog.observation import Signal as Signal
