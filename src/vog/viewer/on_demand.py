"""The results that the viewer computes on demand for one example under every checkpoint.

The caller of the viewer passes the function that computes them, which needs a framework; nothing
here needs one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vog.result import Run
from vog.result.data_location import current_location
from vog.wording import option


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

    @property
    def tokens(self) -> Sequence[str] | None: ...


@dataclass(frozen=True)
class Inspection:
    """The function that inspects examples, and what it runs.

    Attributes:
        runs: text that names what is read and run on demand.
        inspect: returns the result for a row; raises `VogError` if it cannot be computed.
        missing: why no example can be inspected, and what to do; then `inspect` is not called.
    """

    runs: str
    inspect: Callable[[int], InspectedExample]
    missing: str | None = None


def inspection(
    run: Run, overrides: Mapping[str, Any], inspect: Callable[[int], InspectedExample]
) -> Inspection:
    """Return how examples of a run are inspected, without importing or running anything.

    Args:
        run: the run, which names the inputs of its scoring.
        overrides: inputs that replace them: `model`, `model_args`, `checkpoints`, `data`,
            `transform`, `read`, `names`.
        inspect: the function that inspects a row.
    """
    if "combined" in run.question:
        reason = "This run is the mean over several runs. Open one of those to compute them."
        return Inspection("", inspect, reason)
    where = run.question.get("where", {})
    if where.get("gradients") is not None:
        return Inspection(
            f"no code; the gradients in {current_location(run, 'gradients')} are read", inspect
        )
    model, data = (overrides.get(name) or current_location(run, name) for name in ("model", "data"))
    for name, value in (("model", model), ("data", data)):
        if value is None:
            reason = (
                f"The run does not name its {name}, which was an object in Python. Start the "
                f"viewer with {option(name, 'file.py:function')} to compute them."
            )
            return Inspection("", inspect, reason)
    code = [f"{model}({_model_arguments(run, overrides)})"]
    functions = (
        data,
        overrides.get("transform") or current_location(run, "transform"),
        current_location(run, "target"),
        overrides.get("read") or current_location(run, "read"),
        overrides.get("names") or current_location(run, "names"),
    )
    code += [str(spec) for spec in functions if spec is not None and ":" in str(spec)]
    count = len(run.question["checkpoints"])
    return Inspection(f"{', '.join(code)} under {count} checkpoints", inspect)


def _model_arguments(run: Run, overrides: Mapping[str, Any]) -> str:
    """Return the arguments of the model: any function can be a model, so they have to be shown."""
    arguments = overrides.get("model_args") or run.question.get("model", {}).get("args", {})
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())
