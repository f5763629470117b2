"""Out-of-distribution detection: how well scores separate the examples of two runs."""

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
from vog.wording import command, option

_LABEL_FREE = ("entropy",)
_TARGET_SCORES = ("vog", "grad_norm")


@dataclass(frozen=True)
class OodMetrics:
    """Measures of how well high values find outside rows, in [0, 1]; NaN if either set is empty.

    Attributes:
        auroc: probability that an outside row has the higher value, ties counted half; 0.5 is
            chance.
        aupr_out: area under the precision-recall curve with outside rows as positive; chance is
            about their share of the rows, and more where many values are equal.
        aupr_in: the same with reference rows as positive, found by low values.
        fpr95: the share of the reference that is taken for outside by the highest cut-off that
            finds at least 95 % of the outside rows; 0.95 is chance.
    """

    auroc: float
    aupr_out: float
    aupr_in: float
    fpr95: float


@dataclass(frozen=True)
class OodColumn:
    """The detection by one score at one stage.

    Attributes:
        score: the name of the score.
        stage: the stage of the score.
        uses_label: True if the score depends on the label of the example; assumed for scores that
            are not part of the package.
        outside: number of rows of the run with a value.
        reference: number of rows of the reference run with a value.
        left_out: number of rows of both runs without a value.
        metrics: how well hard values separate the two.
    """

    score: str
    stage: str
    uses_label: bool
    outside: int
    reference: int
    left_out: int
    metrics: OodMetrics

    def row(self) -> dict[str, Any]:
        """Return the fields and the metrics as one flat dict."""
        flat = asdict(self)
        return flat | flat.pop("metrics")


@dataclass(frozen=True)
class OodDetection:
    """The comparison of a run with a reference run, scored under the same checkpoints.

    Attributes:
        run: the folder of the run whose examples are outside.
        against: the folder of the reference run.
        columns: those that use no label first, then by falling AUROC.
        warning: why the numbers may mislead; None if nothing is suspicious.
    """

    run: Path
    against: Path
    columns: tuple[OodColumn, ...]
    warning: str | None

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dict a column."""
        return [column.row() for column in self.columns]


def ood_detection(
    run: Run, against: Run, score: str | None = None, quiet: bool = False
) -> OodDetection:
    """Return how well each common score separates the rows of `run` from those of `against`.

    Raw values are compared, turned so that large is hard. Standardised values such as `vog:class`
    are relative to their own run and cannot be compared.

    Args:
        run: the outside examples, the positive class.
        against: the reference, such as the test set of the training data.
        score: the only score to compare, without its stage; None for all.
        quiet: show no progress bar.

    Raises:
        ResultError: both are the same run; they were scored under different checkpoints, targets or
            settings; they have no score in common; or there is no such score.
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
    """Return how well high values separate outside rows from the reference.

    The definitions are those of pytorch-ood, so that numbers can be compared with published ones.
    Its areas under the precision-recall curve interpolate linearly between thresholds, which is too
    large where values are equal (Davis and Goadrich, ICML 2006). `vog verify` gives average
    precision.

    Args:
        outside: values of the positive class; NaN is left out, infinities are highest and lowest.
        reference: values of the negative class.
    """
    positive, negative = (values[~np.isnan(values)] for values in (outside, reference))
    if not (len(positive) and len(negative)):
        return OodMetrics(np.nan, np.nan, np.nan, np.nan)
    truth = np.repeat([1, 0], [len(positive), len(negative)])
    # Ranks, because scikit-learn accepts no infinity.
    ranks = np.unique(np.concatenate([positive, negative]), return_inverse=True)[1]
    # Keep collinear points: one of them may be the first at 95 %.
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
    sign = 1 if run.higher_is_harder(name) else -1
    positive, negative = sign * run.values(name), sign * against.values(name)
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
    auroc, missing = column.metrics.auroc, bool(np.isnan(column.metrics.auroc))
    return column.uses_label, missing, 0.0 if missing else -auroc, column.score, column.stage


def _uses_label(run: Run, score: str) -> bool:
    by_prediction = run.question.get("target") == "predicted"
    return score not in _LABEL_FREE and not (by_prediction and score in _TARGET_SCORES)


def _warning(run: Run, against: Run, columns: list[OodColumn]) -> str | None:
    texts = (_label_warning(run, columns), _input_warning(run, against))
    return "\n".join(text for text in texts if text is not None) or None


def _input_warning(run: Run, against: Run) -> str | None:
    """Return a warning if transform or precision differ, as other data or `auto` may require."""
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
        f"the inputs of the two runs were prepared differently ({'; '.join(differing)}). Scores "
        f"may separate the runs by that and not by the data."
    )


def _label_warning(run: Run, columns: list[OodColumn]) -> str | None:
    labelled = list(dict.fromkeys(column.score for column in columns if column.uses_label))
    if not labelled:
        return None
    warning = (
        f"labels influence {', '.join(labelled)}. Outside examples have no right label, so these "
        f"scores measure how badly their labels fit, and not whether the examples are outside."
    )
    target = run.question.get("target")
    if target != "predicted" and set(labelled) & set(_TARGET_SCORES):
        warning += (
            f" The target is {target}, at the label. Score both runs with "
            f"{option('target', 'predicted')}: then {' and '.join(_TARGET_SCORES)} use no label."
        )
    return warning


def _common_columns(run: Run, against: Run, score: str | None) -> list[str]:
    """Return the score columns of both runs, or raise ResultError if none can be compared."""
    if score is not None and ":" in score:
        raise ResultError(
            f"{option('score', score)}: standardised values and ranks are relative to their run. "
            f"Two runs are compared by raw values: give {option('score', score.partition(':')[0])}."
        )
    names = [name for name in run.score_columns if name in against.score_columns]
    if score is not None:
        columns = [set(columns_by_stage(scored, score).values()) for scored in (run, against)]
        names = [name for name in names if name in columns[0] & columns[1]]
    if not names:
        raise ResultError(
            f"{run.folder} has the columns {first_few(run.score_columns)}, {against.folder} has "
            f"{first_few(against.score_columns)}: no score in common. Score both with the same "
            f"{option('scores')} and {option('stages')}."
        )
    settings, reference = (_score_settings(scored.question) for scored in (run, against))
    for name in dict.fromkeys(name.partition("@")[0] for name in names):
        _check_equal(run, against, f"settings of {name}", settings.get(name), reference.get(name))
    return names


def _score_settings(question: Mapping[str, Any]) -> dict[str, Any]:
    return {score["name"]: score for score in question.get("scores", [])}


def _check_comparable(run: Run, against: Run) -> None:
    """Raise ResultError unless both runs were scored under the same checkpoints and settings."""
    if run.folder.resolve() == against.folder.resolve():
        raise ResultError(
            f"{option('against', str(against.folder))} is the run itself. Name a run of other "
            f"data, scored under the same checkpoints."
        )
    question, reference = run.question, against.question
    _check_equal(run, against, "target", question.get("target"), reference.get("target"))
    models = [stored.get("model", {}) for stored in (question, reference)]
    for part in dict.fromkeys([*models[0], *models[1]]):
        _check_equal(run, against, f"{part} of the model", *(model.get(part) for model in models))
    steps, reference_steps = (_checkpoints(scored) for scored in (run, against))
    _check_equal(run, against, "number of checkpoints", len(steps), len(reference_steps))
    pairs = zip(steps, reference_steps, strict=True)
    differing = [pair for pair in pairs if pair[0]["sha256"] != pair[1]["sha256"]]
    _check_equal(
        run,
        against,
        f"weights of {len(differing)} of {len(steps)} checkpoints",
        *(first_few([_checkpoint_text(pair[which]) for pair in differing], 3) for which in (0, 1)),
    )
    stages = [stored.get("stages", {}) for stored in (question, reference)]
    for name in stages[0]:
        if name in stages[1]:
            _check_equal(run, against, f"stage {name}", stages[0][name], stages[1][name])


def _checkpoints(run: Run) -> list[dict[str, Any]]:
    """Return step and SHA-256 of each checkpoint, in training order.

    Raises:
        ResultError: the run does not have them.
    """
    checkpoints = run.question.get("checkpoints", [])
    if not checkpoints or not all("sha256" in checkpoint for checkpoint in checkpoints):
        raise ResultError(
            f"{run.folder} does not say which weights it was scored under (imported and combined "
            f"runs do not), so it cannot be compared with other data. Score both with "
            f"{command('score')}."
        )
    return checkpoints


def _checkpoint_text(checkpoint: Mapping[str, Any]) -> str:
    return f"step {checkpoint['step']} (SHA-256 {checkpoint['sha256'][:12]})"


def _check_equal(run: Run, against: Run, setting: str, value: object, reference: object) -> None:
    if value != reference:
        raise ResultError(
            f"the values of these runs cannot be compared, because they were scored differently:\n"
            f"  {setting}: {value} in {run.folder}, {reference} in {against.folder}\n"
            f"Score both under the same checkpoints, with the same {option('target')}, "
            f"{option('stages')} and {option('scores')}."
        )
