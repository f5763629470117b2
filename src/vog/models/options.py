"""How a model is opened and how its checkpoints are read, and what an adapter is asked for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vog.checkpoints import Reader
from vog.models.protocol import Model
from vog.scores.gradient import Layout


@dataclass(frozen=True)
class ModelOptions:
    """The settings of a model; the attributes are flags of `vog score`.

    Attributes:
        args: keywords for the function that builds the model.
        reader: reads checkpoint files: which weights of a file (`weights`), and which function
            reads it (`read`).
        device: "auto", "cpu", "cuda" or "cuda:i".
        fold: norms may be folded into the layers before them.
        layout: the axis of an example that holds its colours; None if its shape decides.
        head: the name of the linear layer whose output is that of the model; None to find it.
        rest: what a checkpoint lacks and the model does not train is taken from the model as built.
        checkpoints: as the user named them, for models that they say how to build.
        wrt: the module whose output is differentiated, or "embeddings"; None to find it.
    """

    args: Mapping[str, Any] = field(default_factory=dict)
    reader: Reader = field(default_factory=Reader)
    device: str = "auto"
    fold: bool = True
    layout: Layout | None = None
    head: str | None = None
    rest: bool = False
    checkpoints: tuple[str | Path, ...] = ()
    wrt: str | None = None


def _check_nothing(options: ModelOptions) -> None:
    """Accept any options."""


def _no_name(rest: str, options: ModelOptions) -> Model:
    """Raise AssertionError: an adapter without a scheme opens no names."""
    raise AssertionError("an adapter with a scheme has `of_name`")


@dataclass(frozen=True)
class Adapter:
    """Makes models of one framework.

    Attributes:
        kind: what such a model is before it is opened, in messages.
        opens: whether an object is a model of this framework.
        model: from such an object, a function that makes another one (None if the user gave the
            object itself) and the options to the model.
        check: raises ModelError if options cannot be kept, before anything is opened.
        scheme: what precedes a colon in the names that this adapter alone opens; None without.
        of_name: from the rest of such a name, such as `file.py:function` or a folder, and the
            options to the model.
    """

    kind: str
    opens: Callable[[object], bool]
    model: Callable[[Any, Callable[[], object] | None, ModelOptions], Model]
    check: Callable[[ModelOptions], None] = _check_nothing
    scheme: str | None = None
    of_name: Callable[[str, ModelOptions], Model] = _no_name
