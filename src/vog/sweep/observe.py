"""Observe examples: the outputs and gradients of the model, taken where task and target say."""

from dataclasses import dataclass, replace

from jaxtyping import Shaped
from torch import Tensor

from vog.data import Batch
from vog.data.labels import filled, with_whole_classes
from vog.models.protocol import Model, Placed, Weights
from vog.observation import Observation, Outcome, Signal, not_finite_rows
from vog.tasks import Task
from vog.tasks.targets import Target

# Smaller outputs are kept until several checkpoints are folded together, which is faster.
_LARGE_BYTES = 2**22
_DERIVED = (Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT, Signal.LAST_LAYER_NORM)


def labels_of(task: Task, batch: Batch) -> Shaped[Tensor, "n *label"]:
    """Return the labels of the readable examples, classes as whole numbers."""
    return with_whole_classes(batch.labels[batch.positions], task.has_classes)


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

    def labels(self, batch: Batch) -> Shaped[Tensor, "n *label"]:
        """Return the labels of the readable examples as a call takes them, missing ones filled."""
        return filled(labels_of(self.task, batch)).to(self.model.device)

    def __call__(
        self,
        weights: Weights,
        placed: Placed,
        labels: Shaped[Tensor, "n *label"],
        needs: frozenset[Signal],
        aim: Shaped[Tensor, "n *aim"] | None = None,
        outcomes: frozenset[Outcome] | None = None,
    ) -> Observation:
        """Return the signals of n examples under one checkpoint (k = 1).

        Args:
            weights: the result of `model.ready`.
            placed: the result of `model.place`; it is not changed.
            labels: the label of each example, on the device of the model.
            needs: the signals to compute; nothing else but the logits is computed.
            aim: the label whose target is differentiated, if it is another one.
            outcomes: of large outputs, these outcomes are returned and not the logits; None to
                return the logits in any case.
        """
        wants_target, wants_loss, wants_norm = (signal in needs for signal in _DERIVED)
        with self.model.observe(weights, placed, wants_target or wants_loss) as outputs:
            labels = self.task.align(labels, outputs.values, outputs.mask)
            observation = Observation(labels, outputs.values[None], mask=outputs.mask)
            if wants_target:
                cotangent = self.target.cotangent(outputs.values, labels if aim is None else aim)
                gradient = outputs.vjp(cotangent, more=wants_loss)
                observation = replace(observation, input_gradient=gradient[None])
                del cotangent  # as large as the outputs
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
            if outcomes is not None and outputs.values.nbytes > _LARGE_BYTES:
                observation = self._without_logits(observation, outcomes)
        return observation

    def _without_logits(
        self, observation: Observation, outcomes: frozenset[Outcome]
    ) -> Observation:
        """Return the observation with outcomes, and which logits were finite, in their place."""
        completed = self.task.complete(observation, outcomes)
        finite = ~not_finite_rows(observation.signal(Signal.LOGITS))
        return replace(completed, logits=None, logits_finite=finite)
