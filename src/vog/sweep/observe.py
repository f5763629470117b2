"""Observe examples: the outputs and gradients of the model, taken where task and target say."""

from dataclasses import dataclass, replace

from jaxtyping import Int
from torch import Tensor

from vog.models.protocol import Model, Placed, Weights
from vog.observation import Observation, Signal
from vog.tasks import Task
from vog.tasks.targets import Target

_DERIVED = (Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT, Signal.LAST_LAYER_NORM)


@dataclass(frozen=True)
class Observer:
    """A model with a task and a target, which together give observations.

    Attributes:
        model: gives outputs, and gradients with respect to the inputs.
        task: has the loss.
        target: the number of each example whose gradient is taken.
    """

    model: Model
    task: Task
    target: Target

    def __call__(
        self,
        weights: Weights,
        placed: Placed,
        labels: Int[Tensor, "n"],
        needs: frozenset[Signal],
        aim: Int[Tensor, "n"] | None = None,
    ) -> Observation:
        """Return the signals of n examples under one checkpoint (k = 1).

        Args:
            weights: the result of `model.ready`.
            placed: the result of `model.place`; it is not changed.
            labels: the class of each example, on the device of the model.
            needs: the signals to compute; nothing else but the logits is computed.
            aim: the class whose target is differentiated, if it is not the label.
        """
        wants_target, wants_loss, wants_norm = (signal in needs for signal in _DERIVED)
        with self.model.observe(weights, placed, wants_target or wants_loss) as outputs:
            observation = Observation(labels, outputs.values[None], mask=outputs.mask)
            if wants_target:
                cotangent = self.target.cotangent(outputs.values, labels if aim is None else aim)
                gradient = outputs.vjp(cotangent, more=wants_loss)
                observation = replace(observation, input_gradient=gradient[None])
            if wants_loss or wants_norm:
                cotangent = self.task.loss.cotangent(outputs.values, labels)
                if wants_loss:
                    gradient = outputs.vjp(cotangent)
                    observation = replace(observation, loss_gradient=gradient[None])
                if wants_norm:
                    assert outputs.last_layer is not None, "`signals` has no norm without a layer"
                    norm = outputs.last_layer.gradient_norm(cotangent)
                    observation = replace(observation, last_layer_norm=norm[None])
            if Signal.FEATURES in needs:
                assert outputs.last_layer is not None, "`signals` has no features without a layer"
                observation = replace(observation, features=outputs.last_layer.features[None])
        return observation
