"""One architecture scored by `vog` and the plain way: the worst difference, or the refusal."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import plain
import vog
from architectures import CLASSES, Architecture
from vog.result import Run
from vog.sweep.loop import sweep
from vog.sweep.prepare import prepare
from vog.sweep.request import Request

CHECKPOINTS = 4
EXAMPLES = 8
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Comparison:
    """What came of one architecture.

    Attributes:
        differences: by score, the largest difference as a share of the column's largest value.
        path: how the run was computed, as its plan says; of a refusal, nothing.
        refusal: the first line of the message, where the run was refused.
        steady: how many examples were compared; the others have no one answer (`plain.steady`).
    """

    title: str
    differences: dict[str, float]
    path: str = ""
    refusal: str = ""
    steady: int = EXAMPLES

    @property
    def worst(self) -> tuple[float, str]:
        """The largest difference and the score that has it."""
        return max((value, name) for name, value in self.differences.items())

    @property
    def row(self) -> str:
        """A line of the table."""
        library, _, name = self.title.partition(": ")
        if self.refusal:
            return f"| {library} | {name} | refused | | {self.refusal} |"
        value, score = self.worst
        said = f"{value:.0e} (`{score}`)" if value <= TOLERANCE else f"**{value:.0e}** (`{score}`)"
        scores = f"{len(self.differences)} scores, {said}"
        return f"| {library} | {name} | {scores} | {self.steady} | {self.path} |"


def relative(ours: np.ndarray, right: np.ndarray) -> float:
    """Return max |a - b| / max |b| over finite values; infinite where they are not in one place."""
    finite = np.isfinite(right)
    if not np.array_equal(finite, np.isfinite(ours)):
        return float("inf")
    if not finite.any():
        return 0.0
    largest = max(float(np.abs(right[finite]).max()), 1e-30)
    return float(np.abs(ours - right)[finite].max()) / largest


def compare(architecture: Architecture, folder: Path) -> Comparison:
    """Return what came of an architecture; only a deliberate refusal is no fault.

    Raises:
        Exception: whatever is raised that is no `VogError`.
    """
    states = plain.random_states(architecture.build, CHECKPOINTS)
    paths = [folder / f"step-{step}.pt" for step in range(CHECKPOINTS)]
    for path, state in zip(paths, states, strict=True):
        torch.save(state, path)
    inputs, labels = plain.examples(architecture.shape, EXAMPLES, CLASSES)
    failed, judge = [], architecture.build
    try:
        right = plain.scores(judge, states, inputs, labels)
    except RuntimeError as error:
        failed = [f"the plain way fails ({type(error).__name__}) but for frozen weights"]
        judge = plain.frozen(judge)
        right = plain.scores(judge, states, inputs, labels)
    steady = plain.steady(judge, states, inputs, labels)
    torch.manual_seed(2000)
    request = Request(
        model=architecture.build,
        checkpoints=paths,
        data=(inputs, labels),
        out=folder / "run",
        scores="all",
        batch_size=EXAMPLES,
        workers=0,
        quiet=True,
    )
    try:
        job = prepare(request)
        sweep(job)
    except vog.VogError as error:
        message = str(error).splitlines()[0].replace(f"{folder}/", "")
        return Comparison(architecture.title, {}, refusal="; ".join([message, *failed]))
    run = vog.open(folder / "run")
    said = [
        *failed,
        *job.notes.values(),
        *(f"no {name}: {why}" for name, why in job.left_out.items()),
    ]
    folded = run.question.get("folded")
    said += [f"{folded} norms folded"] if folded else []
    differences = _differences(run, right, steady)
    path, count = "; ".join(said), int(steady.sum())
    return Comparison(architecture.title, differences, path, steady=count)


def _differences(run: Run, right: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, float]:
    scores = {name.partition("@")[0]: name for name in run.score_columns if name.endswith("@all")}
    return {
        score: relative(run.values(column)[rows], right[score][rows])
        for score, column in scores.items()
    }
