"""Observe examples: the outputs and gradients of the model, taken where task and target say."""

from dataclasses import dataclass, replace

from jaxtyping import Float, Int
from torch import Tensor

from vog.models import Model, Outputs, Weights
from vog.observation import Observation, Outcome, Signal
from vog.tasks import Task
from vog.tasks.targets import Target


@dataclass(frozen=True)
class Observer:
    """A model with a task and a target, which together give observations.

    Attributes:
        model: gives outputs, and gradients with respect to the inputs.
        task: has the loss, and the error of the outputs.
        target: the number of each example whose gradient is taken.
    """

    model: Model
    task: Task
    target: Target

    def __call__(
        self,
        weights: Weights,
        inputs: Float[Tensor, "n *input"],
        labels: Int[Tensor, "n"],
        needs: frozenset[Signal],
        aim: Int[Tensor, "n"] | None = None,
    ) -> Observation:
        """Return the signals of n examples under one checkpoint (k = 1).

        Args:
            weights: the result of `model.ready`.
            inputs: the result of `model.place`; they are not changed.
            labels: the class of each example.
            needs: the signals to compute; nothing else but the logits is computed.
            aim: the class whose target is differentiated, if it is not the label.
        """
        wants_target, wants_loss = (
            signal in needs for signal in (Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT)
        )
        with self.model.observe(weights, inputs, wants_target or wants_loss) as outputs:
            observation = Observation(labels, outputs.values[None])
            if wants_target:
                cotangent = self.target.cotangent(outputs.values, labels if aim is None else aim)
                gradient = outputs.vjp(cotangent, more=wants_loss)
                observation = replace(observation, input_gradient=gradient[None])
            if wants_loss:
                gradient = outputs.vjp(self.task.loss.cotangent(outputs.values, labels))
                observation = replace(observation, loss_gradient=gradient[None])
        if Signal.LAST_LAYER_NORM in needs:
            norm = _last_layer_norm(self.task.outcome(observation, Outcome.ERROR), outputs)
            observation = replace(observation, last_layer_norm=norm)
        return observation


def _last_layer_norm(error: Float[Tensor, "1 n"], outputs: Outputs) -> Float[Tensor, "1 n"]:
    """Return the norm of d loss / d (W, b), where the gradient of W is (p - onehot) h^T.

    Its norm is the product of both norms, and the bias adds a feature that is 1.
    """
    assert outputs.features is not None, "`signals` has no norm if there is no linear head"
    squared = outputs.features.float().square().sum(dim=-1) + outputs.has_bias
    return error * squared.sqrt()
