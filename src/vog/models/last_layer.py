"""The last layer of a model, if it is linear: what it takes, and the gradient of its weights."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class LinearLastLayer:
    """A linear last layer for a batch.

    Attributes:
        features: its inputs.
        has_bias: it has a bias, which acts as a feature that is 1.
    """

    features: Float[Tensor, "n width"]
    has_bias: bool = True

    def gradient_norm(self, cotangent: Float[Tensor, "n *outputs"]) -> Float[Tensor, "n"]:
        """Return the norm of the gradient by weight and bias, which is g h^T and g."""
        squared = self.features.float().square().sum(dim=-1) + self.has_bias
        return cotangent.reshape(len(cotangent), -1).norm(dim=-1) * squared.sqrt()
