"""Targets: the number of each example whose gradient with respect to the input is taken."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from vog import user_functions
from vog.errors import FunctionError, ModelError, unknown
from vog.wording import option

TargetFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Target:
    """A function of outputs and labels, and the rule that chooses the labels.

    Attributes:
        name: the word or function that the user gave.
        apply: `(outputs, labels) -> [n]`, for classification `(logits [n, classes], class [n])`;
            row i may depend on row i alone.
        at_prediction: the label is replaced by the one that the last checkpoint predicts, the
            same for all checkpoints: no label leaks into the score.
        code: a digest of the user's function, which changes when the function is edited.
    """

    name: str
    apply: TargetFunction
    at_prediction: bool = False
    code: str = ""

    def cotangent(
        self, logits: Float[Tensor, "n *outputs"], classes: Shaped[Tensor, "n *label"]
    ) -> Float[Tensor, "n *outputs"]:
        """Return the derivative of each example's target by its outputs.

        Raises:
            ModelError: the user's function fails, or does not use the logits.
        """
        leaf = logits.detach().requires_grad_()
        with torch.enable_grad():
            total = self(leaf, classes).sum()
        if total.requires_grad:
            total.backward()
        if leaf.grad is None:
            raise ModelError(
                f"target {self.name} does not use the logits in a way that can be differentiated. "
                f"Compute it from the logits that the function is given, with PyTorch."
            )
        return leaf.grad

    def __call__(
        self, logits: Float[Tensor, "n *outputs"], classes: Shaped[Tensor, "n *label"]
    ) -> Float[Tensor, "n"]:
        """Return the target of each example.

        Raises:
            ModelError: the user's function fails, or returns anything but one number an example.
        """
        try:
            values = self.apply(logits, classes)
        except Exception as error:
            raise ModelError(
                f"target {self.name} failed: {user_functions.describe_error(error)}"
            ) from error
        if not isinstance(values, Tensor) or values.shape != (len(classes),):
            actual = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ModelError(
                f"target {self.name}: expected one number an example, shape "
                f"({len(classes)},), found {actual}. Do not sum or average over the batch."
            )
        return values


def logit(logits: Float[Tensor, "n classes"], classes: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Return the logit of the class, before the softmax: the paper's choice."""
    return logits.gather(1, classes[:, None])[:, 0]


def probability(
    logits: Float[Tensor, "n classes"], classes: Int[Tensor, "n"]
) -> Float[Tensor, "n"]:
    """Return the softmax probability of the class: the choice of the authors' toy experiment."""
    return logit(logits.softmax(dim=1), classes)


def label_cross_entropy(
    logits: Float[Tensor, "n classes"], classes: Int[Tensor, "n"]
) -> Float[Tensor, "n"]:
    """Return the cross-entropy of each example, in nats, not divided by the batch size."""
    return F.cross_entropy(logits, classes, reduction="none")


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("logit", logit),
        Target("probability", probability),
        Target("loss", label_cross_entropy),
        Target("predicted", logit, at_prediction=True),
    )
}


def choose_target(target: str | TargetFunction) -> Target:
    """Return a target of `TARGETS`, or one that is made of a function.

    Args:
        target: a name in `TARGETS`, `file.py:function`, or a function.

    Raises:
        FunctionError: neither a known name nor a function that can be found.
    """
    if callable(target):
        name = getattr(target, "__name__", type(target).__name__)
        return Target(name, target, code=user_functions.function_identity(target))
    if target in TARGETS:
        return TARGETS[target]
    if ":" not in target:
        raise FunctionError(
            f"{option('target')}: there is no target {target!r}.{unknown(target, TARGETS)} "
            f"A function is named as file.py:function."
        )
    function = user_functions.load_function(target, option("target"))
    return Target(target, function, code=user_functions.function_identity(function))
