"""What the demos share: flipped labels, their record, and how well scores and verdict find them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int

import vog
from vog.analysis.detection.planted_faults import Verification
from vog.figures import charts
from vog.files.writing import make_folder
from vog.result import Run
from vog.result import planting_record as records
from vog.result.planting_record import FLIP, Plant, Planted

SHARE = 0.05
BY = "vog@all:class"


@dataclass(frozen=True)
class Demo:
    """The results of a demo and the paths of its files.

    Attributes:
        noun: what the examples are, in the plural.
        suspects: labels that the verdict holds for wrong; 0 if it cannot tell how many are.
        flipped_at_top: flipped labels among as many that the verdict ranks highest.
        figures: pictures by what they show.
        command: the scoring alone, on the files of the demo.
    """

    noun: str
    run: Run
    test_accuracy: float
    examples: int
    flipped: int
    hardest: pa.Table
    planted: Path
    verification: Verification
    suspects: int
    flipped_suspects: int
    flipped_at_top: int
    figures: Mapping[str, Path]
    report: Path
    command: str


def flip(
    truth: Int[np.ndarray, "n"], classes: int, rng: np.random.Generator
) -> Int[np.ndarray, "n"]:
    """Return labels of which a share of `SHARE` has a class that is not the true one."""
    labels = truth.copy()
    wrong = rng.choice(len(truth), round(SHARE * len(truth)), replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return labels


@dataclass(frozen=True)
class Judged:
    """What the scores and the verdict, which do not know the flips, make of them.

    Attributes:
        planted: the folder with the record of the flips.
        verification: how well each score finds them.
        suspects: labels that the verdict holds for wrong.
        flipped_suspects: those among them that were flipped.
        flipped_at_top: flipped labels among as many that the verdict ranks highest.
        chart: how well each score finds the flips, as a picture.
    """

    planted: Path
    verification: Verification
    suspects: int
    flipped_suspects: int
    flipped_at_top: int
    chart: Path


def judge(run: Run, labels: Int[np.ndarray, "n"], truth: Int[np.ndarray, "n"], out: Path) -> Judged:
    """Compare a run with the true classes, and write the record of the flips into `out`."""
    planted = _planting_record(labels, truth)
    make_folder(out / "planted")
    records.write_record(out / "planted", planted)
    verification = vog.verify(run, planted, quiet=True)
    verdict, is_flipped = vog.suspects(run), labels != truth
    highest = np.argsort(-np.nan_to_num(verdict.hardness), kind="stable")[: int(is_flipped.sum())]
    return Judged(
        planted=out / "planted",
        verification=verification,
        suspects=int(verdict.suspect.sum()),
        flipped_suspects=int((verdict.suspect & is_flipped).sum()),
        flipped_at_top=int(is_flipped[highest].sum()),
        chart=charts.save_chart(charts.detection(verification), out / "which_score.png"),
    )


def _planting_record(labels: Int[np.ndarray, "n"], truth: Int[np.ndarray, "n"]) -> Planted:
    """Return the flipped labels as `vog plant` would record them."""
    plants = tuple(
        Plant(str(row), FLIP, "uniform", int(labels[row]), str(row), int(truth[row]))
        for row in np.flatnonzero(labels != truth).tolist()
    )
    count = len(labels)
    return Planted({"data": {"examples": count, "was": count}, "flip": SHARE}, plants)


def save_error_chart(run: Run, title: str, path: Path) -> Path:
    """Draw how often the last checkpoint contradicts the label, by decile of the score."""
    overview = vog.analyze(run)
    bins = {"all": overview.errors["all"].deciles}
    return charts.save_chart(
        charts.error_by_decile(bins, BY, title, higher_is_harder=overview.higher_is_harder), path
    )
