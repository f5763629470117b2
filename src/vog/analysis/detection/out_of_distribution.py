"""How well scores tell the examples of one run from those of another: out of distribution."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve

from vog.analysis.one_run.score_columns import columns_by_stage
from vog.errors import ResultError, first_few
from vog.progress import progress
from vog.result import Run

_BLIND = ("entropy",)
_OF_THE_TARGET = ("vog", "grad_norm")


@dataclass(frozen=True)
class OodMetrics:
    """How well high values tell what is outside from a reference, all in [0, 1]; NaN if one lacks.

    Attributes:
        auroc: that a row from outside has the higher value, equal ones counted half; 0.5 is chance.
        aupr_out: area under the precision-recall curve of finding what is outside; by chance about
            its share of the rows, but more where many values are equal.
        aupr_in: the same of finding the reference by low values.
        fpr95: the share of the reference that is taken for outside when as few as possible are,
            but at least 95 % of what is outside; by chance 0.95.
    """

    auroc: float
    aupr_out: float
    aupr_in: float
    fpr95: float


@dataclass(frozen=True)
class OodColumn:
    """One score at one stage.

    Attributes:
        score: its name.
        stage: of the score.
        uses_label: whether the label that an example was given plays a part; of scores that are
            not the package's it is supposed.
        outside: rows of the run that have a value.
        reference: rows of the other run that have one.
        left_out: rows of both that have none.
        found: how well its hard end tells them apart.
    """

    score: str
    stage: str
    uses_label: bool
    outside: int
    reference: int
    left_out: int
    found: OodMetrics

    def row(self) -> dict[str, Any]:
        """The same, flat."""
        flat = asdict(self)
        return flat | flat.pop("found")


@dataclass(frozen=True)
class OodDetection:
    """Whether the examples of a run are harder than those of another, under the same checkpoints.

    Attributes:
        run: the folder whose examples are taken for outside.
        against: the folder of the reference.
        columns: those that use no label first, then the best AUROC first.
        warning: what must be known before these numbers are believed; None for nothing.
    """

    run: Path
    against: Path
    columns: tuple[OodColumn, ...]
    warning: str | None

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a column."""
        return [one.row() for one in self.columns]


def ood_detection(
    run: Run, against: Run, score: str | None = None, quiet: bool = False
) -> OodDetection:
    """How well each score that both have tells the rows of `run` from those of `against`.

    Compared are the raw values, with the hard end up. Standards of a class are each run's own,
    so that `vog:class` and the like of two runs cannot be compared.

    Args:
        run: what is taken for outside, the positive class.
        against: the reference, as the test data of what the model was trained on.
        score: only this one, without its stage.
        quiet: no progress bar.

    Raises:
        ResultError: it is the same run; the two were scored under other checkpoints, at another
            target or with other settings; they have no score in common; or there is no such score.
    """
    _refuse_other(run, against)
    names = _common(run, against, score)
    found: list[OodColumn] = []
    with progress("comparing", total=len(names), quiet=quiet) as advance:
        for name in names:
            found.append(_column(run, against, name))
            advance(1)
    found.sort(key=_place)
    return OodDetection(run.folder, against.folder, tuple(found), _warning(run, against, found))


def ood_metrics(outside: Float[np.ndarray, "p"], reference: Float[np.ndarray, "n"]) -> OodMetrics:
    """How well high values tell one from the other.

    As pytorch-ood counts, so that figures can be set beside those of the field: its areas under the
    precision-recall curve are those under straight lines between the thresholds, which is too much
    where values are equal (Davis and Goadrich, ICML 2006). `vog verify` gives average precision.

    Args:
        outside: the positive class; NaN is left out, infinities count as highest and lowest.
        reference: the other.
    """
    positive, negative = (values[~np.isnan(values)] for values in (outside, reference))
    if not (len(positive) and len(negative)):
        return OodMetrics(np.nan, np.nan, np.nan, np.nan)
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    # Places in the order, for scikit-learn takes no infinity.
    place = np.unique(np.concatenate([positive, negative]), return_inverse=True)[1]
    # Points on a line between others may be the first at 95 %.
    false, true, _ = roc_curve(truth, place, drop_intermediate=False)
    return OodMetrics(
        float(roc_auc_score(truth, place)),
        _area(truth, place),
        _area(1 - truth, -place),
        float(false[np.argmax(true >= 0.95)]),
    )


def _area(truth: Int[np.ndarray, "n"], place: Int[np.ndarray, "n"]) -> float:
    precision, recall, _ = precision_recall_curve(truth, place)
    return float(auc(recall, precision))


def _column(run: Run, against: Run, name: str) -> OodColumn:
    sign = 1 if run.hard_is_high(name) else -1
    ours, theirs = sign * run.numbers(name), sign * against.numbers(name)
    outside, reference = (int((~np.isnan(values)).sum()) for values in (ours, theirs))
    score, _, stage = name.partition("@")
    return OodColumn(
        score=score,
        stage=stage,
        uses_label=_uses_label(run, score),
        outside=outside,
        reference=reference,
        left_out=len(ours) + len(theirs) - outside - reference,
        found=ood_metrics(ours, theirs),
    )


def _place(one: OodColumn) -> tuple[bool, bool, float, str, str]:
    known = not np.isnan(one.found.auroc)
    return one.uses_label, not known, -one.found.auroc if known else 0.0, one.score, one.stage


def _uses_label(run: Run, score: str) -> bool:
    by_prediction = run.question.get("target") == "predicted"
    return score not in _BLIND and not (by_prediction and score in _OF_THE_TARGET)


def _warning(run: Run, against: Run, found: list[OodColumn]) -> str | None:
    said = [one for one in (_of_labels(run, found), _of_inputs(run, against)) if one is not None]
    return "\n".join(said) or None


def _of_inputs(run: Run, against: Run) -> str | None:
    """That they were seen in another way, which other data may need, or `auto` have chosen."""
    ours, theirs = (
        {"transform": of["data"].get("transform"), "precision": of.get("precision")}
        for of in (run.question, against.question)
    )
    differing = [
        f"{what} {ours[what]} in {run.folder}, {theirs[what]} in {against.folder}"
        for what in ours
        if ours[what] != theirs[what]
    ]
    if not differing:
        return None
    return (
        f"the model did not see both in the same way ({'; '.join(differing)}), and scores may tell "
        f"that apart and not the data."
    )


def _of_labels(run: Run, found: list[OodColumn]) -> str | None:
    labelled = list(dict.fromkeys(one.score for one in found if one.uses_label))
    if not labelled:
        return None
    said = (
        f"labels take part in {', '.join(labelled)}: what is outside has no right label, so these "
        f"tell how badly the labels it was given fit, and not whether it is outside."
    )
    target = run.question.get("target")
    if target != "predicted" and set(labelled) & set(_OF_THE_TARGET):
        said += (
            f" The target is {target}, at the label; score both runs with --target predicted, "
            f"where no label takes part in {' and '.join(_OF_THE_TARGET)}."
        )
    return said


def _common(run: Run, against: Run, score: str | None) -> list[str]:
    """The score columns of both; refused where a score is not the same in both."""
    if score is not None and ":" in score:
        raise ResultError(
            f"--score {score}: standards and ranks are each run's own, so raw values are what two "
            f"runs are compared by. Give --score {score.partition(':')[0]}."
        )
    names = [one for one in run.score_columns if one in against.score_columns]
    if score is not None:
        both = [set(columns_by_stage(one, score).values()) for one in (run, against)]
        names = [name for name in names if name in both[0] & both[1]]
    if not names:
        raise ResultError(
            f"{run.folder} has the columns {first_few(run.score_columns)}, {against.folder} has "
            f"{first_few(against.score_columns)}: no score in common. Score both with the same "
            f"--scores and --stages."
        )
    ours, theirs = (_settings(one.question) for one in (run, against))
    for name in dict.fromkeys(name.partition("@")[0] for name in names):
        _refuse_if(run, against, f"settings of {name}", ours.get(name), theirs.get(name))
    return names


def _settings(question: Mapping[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in question.get("scores", [])}


def _refuse_other(run: Run, against: Run) -> None:
    """Nothing where both runs were scored alike."""
    if run.folder.resolve() == against.folder.resolve():
        raise ResultError(
            f"--against {against.folder} is the run itself. Name a run of other data, scored under "
            f"the same checkpoints."
        )
    ours, theirs = run.question, against.question
    _refuse_if(run, against, "target", ours.get("target"), theirs.get("target"))
    models = [one.get("model", {}) for one in (ours, theirs)]
    for part in dict.fromkeys([*models[0], *models[1]]):
        _refuse_if(run, against, f"{part} of the model", *(one.get(part) for one in models))
    mine, other = (_checkpoints(one) for one in (run, against))
    _refuse_if(run, against, "number of checkpoints", len(mine), len(other))
    pairs = zip(mine, other, strict=True)
    differing = [pair for pair in pairs if pair[0]["sha256"] != pair[1]["sha256"]]
    _refuse_if(
        run,
        against,
        f"weights of {len(differing)} of {len(mine)} checkpoints",
        *(first_few([_named(pair[which]) for pair in differing], 3) for which in (0, 1)),
    )
    stages = [one.get("stages", {}) for one in (ours, theirs)]
    for name in stages[0]:
        if name in stages[1]:
            _refuse_if(run, against, f"stage {name}", stages[0][name], stages[1][name])


def _checkpoints(run: Run) -> list[dict[str, Any]]:
    """Step and SHA-256 of each, in their order."""
    asked = run.question.get("checkpoints", [])
    if not asked or not all("sha256" in one for one in asked):
        raise ResultError(
            f"{run.folder} does not say which weights it was scored under, as runs that were "
            f"imported or combined do not, so it cannot be compared with other data. Score both "
            f"with `vog score`."
        )
    return asked


def _named(checkpoint: Mapping[str, Any]) -> str:
    return f"step {checkpoint['step']} (SHA-256 {checkpoint['sha256'][:12]})"


def _refuse_if(run: Run, against: Run, what: str, one: object, other: object) -> None:
    if one != other:
        raise ResultError(
            f"the values of these runs cannot be compared, for they were scored differently:\n"
            f"  {what}: {one} in {run.folder}, {other} in {against.folder}\n"
            f"Score both under the same checkpoints, with the same --target, --stages and --scores."
        )
