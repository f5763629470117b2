"""The scalar of an example whose gradient with respect to the input is taken."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from vog import user_functions
from vog.errors import FunctionError, ModelError, unknown

TargetFunction = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Target:
    """A function of logits and classes, and whether the classes are the labels.

    Attributes:
        name: the word or function the user gave.
        of: `(logits [n, classes], class [n]) -> [n]`; row i may depend on row i alone.
        at_prediction: the class is not the label but the one that the last checkpoint
            predicts, fixed over the checkpoints: no label leaks into the score.
        code: of a function of the user's, what tells it from an edited one.
    """

    name: str
    apply: TargetFunction
    at_prediction: bool = False
    code: str = ""

    def __call__(
        self, logits: Float[Tensor, "n classes"], classes: Int[Tensor, "n"]
    ) -> Float[Tensor, "n"]:
        """The target of each example.

        Raises:
            ModelError: the user's function gives something of another shape.
        """
        try:
            values = self.apply(logits, classes)
        except Exception as error:
            raise ModelError(
                f"target {self.name} failed: {user_functions.describe_error(error)}"
            ) from error
        if not isinstance(values, Tensor) or values.shape != classes.shape:
            actual = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ModelError(
                f"target {self.name}: expected one number an example, shape "
                f"({len(classes)},), found {actual}. Do not sum or average over the batch."
            )
        return values


def logit(logits: Float[Tensor, "n classes"], classes: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The logit of the class, before the softmax: the paper's choice."""
    return logits.gather(1, classes[:, None])[:, 0]


def probability(
    logits: Float[Tensor, "n classes"], classes: Int[Tensor, "n"]
) -> Float[Tensor, "n"]:
    """The softmax of that logit: the choice of the authors' toy experiment."""
    return logit(logits.softmax(dim=1), classes)


def label_cross_entropy(
    logits: Float[Tensor, "n classes"], classes: Int[Tensor, "n"]
) -> Float[Tensor, "n"]:
    """Each example's own cross-entropy, in nats: not divided by the size of the batch."""
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
    """The target of that name, or one made of a function or of `file.py:function`.

    Raises:
        FunctionError: neither a known word nor a function that can be found.
    """
    if callable(target):
        name = getattr(target, "__name__", type(target).__name__)
        return Target(name, target, code=user_functions.function_identity(target))
    if target in TARGETS:
        return TARGETS[target]
    if ":" not in target:
        raise FunctionError(
            f"--target: there is no target {target!r}.{unknown(target, TARGETS)} "
            f"A function is named as file.py:function."
        )
    function = user_functions.load_function(target, "--target")
    return Target(target, function, code=user_functions.function_identity(function))
