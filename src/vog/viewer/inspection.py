"""What the viewer asks for when somebody wants to see an example under every checkpoint.

Whoever starts the viewer hands it in: computing takes a framework, and nothing here needs one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vog.result import Run
from vog.result.data_location import current_location


@runtime_checkable  # so that beartype can check it while the tests run
class InspectedExample(Protocol):
    """One example under every checkpoint; see `vog.inspection.inspector`, which computes it."""

    @property
    def steps(self) -> Sequence[int]: ...

    @property
    def gradients(self) -> Float[np.ndarray, "k h w"]: ...

    @property
    def spread(self) -> Float[np.ndarray, "h w"]: ...

    @property
    def vog(self) -> float: ...

    @property
    def confidence(self) -> Sequence[float] | None: ...

    @property
    def margin(self) -> Sequence[float] | None: ...

    @property
    def loss(self) -> Sequence[float] | None: ...

    @property
    def predictions(self) -> Sequence[int] | None: ...

    @property
    def differs(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Inspection:
    """How examples are inspected.

    Attributes:
        runs: in words, what is read and run for it; nothing is before somebody asks.
        inspect: from the row to what was found; raises `VogError` where it cannot be.
        missing: why it cannot be done at all, and what would help; then it is never called.
    """

    runs: str
    inspect: Callable[[int], InspectedExample]
    missing: str | None = None


def inspection(
    run: Run, overrides: Mapping[str, Any], inspect: Callable[[int], InspectedExample]
) -> Inspection:
    """How examples of a run are inspected, told from words alone: nothing is imported or run.

    Args:
        run: names what it was scored with.
        asked: what the user names instead: `model`, `model_args`, `checkpoints`, `data`,
            `transform`, `read`.
        inspect: does it.
    """
    if "combined" in run.question:
        reason = "This run is the mean over several: open one of them to have them."
        return Inspection("", inspect, reason)
    where = run.question.get("where", {})
    if where.get("gradients") is not None:
        return Inspection(
            f"no code; the gradients in {current_location(run, 'gradients')} are read", inspect
        )
    model, data = (overrides.get(name) or current_location(run, name) for name in ("model", "data"))
    for name, value in (("model", model), ("data", data)):
        if value is None:
            return Inspection(
                "",
                inspect,
                f"The run does not name its {name}, which was an object in Python: start the "
                f"viewer with --{name} to have them.",
            )
    code = [f"{model}({_model_arguments(run, overrides)})"]
    functions = (
        data,
        overrides.get("transform") or current_location(run, "transform"),
        current_location(run, "target"),
        overrides.get("read") or current_location(run, "read"),
    )
    code += [
        str(function) for function in functions if function is not None and ":" in str(function)
    ]
    count = len(run.question["checkpoints"])
    return Inspection(f"{', '.join(code)} under {count} checkpoints", inspect)


def _model_arguments(run: Run, overrides: Mapping[str, Any]) -> str:
    """Arguments are part of what is run: a function of any package can be named as a model."""
    arguments = overrides.get("model_args") or run.question.get("model", {}).get("args", {})
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
