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

_LABEL_FREE = ("entropy",)
_TARGET_SCORES = ("vog", "grad_norm")


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
    metrics: OodMetrics

    def row(self) -> dict[str, Any]:
        """The same, flat."""
        flat = asdict(self)
        return flat | flat.pop("metrics")


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
        return [column.row() for column in self.columns]


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
    _check_comparable(run, against)
    names = _common_columns(run, against, score)
    columns: list[OodColumn] = []
    with progress("comparing", total=len(names), quiet=quiet) as advance:
        for name in names:
            columns.append(_ood_column(run, against, name))
            advance(1)
    columns.sort(key=_sort_key)
    return OodDetection(run.folder, against.folder, tuple(columns), _warning(run, against, columns))


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
    ranks = np.unique(np.concatenate([positive, negative]), return_inverse=True)[1]
    # Points on a line between others may be the first at 95 %.
    fpr, tpr, _ = roc_curve(truth, ranks, drop_intermediate=False)
    return OodMetrics(
        float(roc_auc_score(truth, ranks)),
        _area(truth, ranks),
        _area(1 - truth, -ranks),
        float(fpr[np.argmax(tpr >= 0.95)]),
    )


def _area(truth: Int[np.ndarray, "n"], ranks: Int[np.ndarray, "n"]) -> float:
    precision, recall, _ = precision_recall_curve(truth, ranks)
    return float(auc(recall, precision))


def _ood_column(run: Run, against: Run, name: str) -> OodColumn:
    sign = 1 if run.hard_is_high(name) else -1
    positive, negative = sign * run.numbers(name), sign * against.numbers(name)
    outside, reference = (int((~np.isnan(values)).sum()) for values in (positive, negative))
    score, _, stage = name.partition("@")
    return OodColumn(
        score=score,
        stage=stage,
        uses_label=_uses_label(run, score),
        outside=outside,
        reference=reference,
        left_out=len(positive) + len(negative) - outside - reference,
        metrics=ood_metrics(positive, negative),
    )


def _sort_key(column: OodColumn) -> tuple[bool, bool, float, str, str]:
    has_auroc = not np.isnan(column.metrics.auroc)
    return (
        column.uses_label,
        not has_auroc,
        -column.metrics.auroc if has_auroc else 0.0,
        column.score,
        column.stage,
    )


def _uses_label(run: Run, score: str) -> bool:
    by_prediction = run.question.get("target") == "predicted"
    return score not in _LABEL_FREE and not (by_prediction and score in _TARGET_SCORES)


def _warning(run: Run, against: Run, columns: list[OodColumn]) -> str | None:
    warnings = [
        text
        for text in (_label_warning(run, columns), _input_warning(run, against))
        if text is not None
    ]
    return "\n".join(warnings) or None


def _input_warning(run: Run, against: Run) -> str | None:
    """That they were seen in another way, which other data may need, or `auto` have chosen."""
    inputs, reference = (
        {"transform": question["data"].get("transform"), "precision": question.get("precision")}
        for question in (run.question, against.question)
    )
    differing = [
        f"{setting} {inputs[setting]} in {run.folder}, {reference[setting]} in {against.folder}"
        for setting in inputs
        if inputs[setting] != reference[setting]
    ]
    if not differing:
        return None
    return (
        f"the model did not see both in the same way ({'; '.join(differing)}), and scores may tell "
        f"that apart and not the data."
    )


def _label_warning(run: Run, columns: list[OodColumn]) -> str | None:
    labelled = list(dict.fromkeys(column.score for column in columns if column.uses_label))
    if not labelled:
        return None
    warning = (
        f"labels take part in {', '.join(labelled)}: what is outside has no right label, so these "
        f"tell how badly the labels it was given fit, and not whether it is outside."
    )
    target = run.question.get("target")
    if target != "predicted" and set(labelled) & set(_TARGET_SCORES):
        warning += (
            f" The target is {target}, at the label; score both runs with --target predicted, "
            f"where no label takes part in {' and '.join(_TARGET_SCORES)}."
        )
    return warning


def _common_columns(run: Run, against: Run, score: str | None) -> list[str]:
    """The score columns of both; refused where a score is not the same in both."""
    if score is not None and ":" in score:
        raise ResultError(
            f"--score {score}: standards and ranks are each run's own, so raw values are what two "
            f"runs are compared by. Give --score {score.partition(':')[0]}."
        )
    names = [one for one in run.score_columns if one in against.score_columns]
    if score is not None:
        columns = [set(columns_by_stage(one, score).values()) for one in (run, against)]
        names = [name for name in names if name in columns[0] & columns[1]]
    if not names:
        raise ResultError(
            f"{run.folder} has the columns {first_few(run.score_columns)}, {against.folder} has "
            f"{first_few(against.score_columns)}: no score in common. Score both with the same "
            f"--scores and --stages."
        )
    settings, reference = (_score_settings(one.question) for one in (run, against))
    for name in dict.fromkeys(name.partition("@")[0] for name in names):
        _check_equal(run, against, f"settings of {name}", settings.get(name), reference.get(name))
    return names


def _score_settings(question: Mapping[str, Any]) -> dict[str, Any]:
    return {score["name"]: score for score in question.get("scores", [])}


def _check_comparable(run: Run, against: Run) -> None:
    """Nothing where both runs were scored alike."""
    if run.folder.resolve() == against.folder.resolve():
        raise ResultError(
            f"--against {against.folder} is the run itself. Name a run of other data, scored under "
            f"the same checkpoints."
        )
    question, reference = run.question, against.question
    _check_equal(run, against, "target", question.get("target"), reference.get("target"))
    models = [one.get("model", {}) for one in (question, reference)]
    for part in dict.fromkeys([*models[0], *models[1]]):
        _check_equal(run, against, f"{part} of the model", *(one.get(part) for one in models))
    steps, reference_steps = (_checkpoints(one) for one in (run, against))
    _check_equal(run, against, "number of checkpoints", len(steps), len(reference_steps))
    pairs = zip(steps, reference_steps, strict=True)
    differing = [pair for pair in pairs if pair[0]["sha256"] != pair[1]["sha256"]]
    _check_equal(
        run,
        against,
        f"weights of {len(differing)} of {len(steps)} checkpoints",
        *(first_few([_checkpoint_text(pair[which]) for pair in differing], 3) for which in (0, 1)),
    )
    stages = [one.get("stages", {}) for one in (question, reference)]
    for name in stages[0]:
        if name in stages[1]:
            _check_equal(run, against, f"stage {name}", stages[0][name], stages[1][name])


def _checkpoints(run: Run) -> list[dict[str, Any]]:
    """Step and SHA-256 of each, in their order."""
    checkpoints = run.question.get("checkpoints", [])
    if not checkpoints or not all("sha256" in checkpoint for checkpoint in checkpoints):
        raise ResultError(
            f"{run.folder} does not say which weights it was scored under, as runs that were "
            f"imported or combined do not, so it cannot be compared with other data. Score both "
            f"with `vog score`."
        )
    return checkpoints


def _checkpoint_text(checkpoint: Mapping[str, Any]) -> str:
    return f"step {checkpoint['step']} (SHA-256 {checkpoint['sha256'][:12]})"


def _check_equal(run: Run, against: Run, setting: str, value: object, reference: object) -> None:
    if value != reference:
        raise ResultError(
            f"the values of these runs cannot be compared, for they were scored differently:\n"
            f"  {setting}: {value} in {run.folder}, {reference} in {against.folder}\n"
            f"Score both under the same checkpoints, with the same --target, --stages and --scores."
        )
