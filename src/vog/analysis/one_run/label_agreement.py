"""How often the last checkpoint agrees with the labels: a run of the wrong transform shows here.

A network that is scored with another transform than in training, or with its classes in another
order, gives scores like any other, and they mean nothing. What it predicts gives it away.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from scipy.optimize import linear_sum_assignment

from vog.result import Run
from vog.result.class_names import main_name

_LOW = 0.5
_TIMES_THE_LARGEST = 1.5
_LEAST_AGREEMENT = 0.5  # a renaming of classes explains a confusion that agrees this often after it
_LEAST_GAIN = 0.2  # and by at least this share more often than before
_MOST_CLASSES = 3000  # the assignment of more classes takes minutes
_MOST_MOVES = 5

Classes = Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Renaming:
    """Other numbers for the predicted classes, under which predictions agree with the labels.

    Attributes:
        moves: the predicted class and the label that it stands for, where these differ; the
            predicted classes ascend.
        share: of the rows, how many agree under the new numbers, in [0, 1].
    """

    moves: tuple[tuple[int, int], ...]
    share: float


@dataclass(frozen=True)
class LabelAgreement:
    """How often predictions agree with labels.

    Attributes:
        rows: how many rows have both.
        agreeing: how many of these agree.
        largest: how many of these have the most frequent label.
        renaming: where agreement is low and classes in another order explain it.
        names: of the classes, by number; empty where the data have none.
        subject: whose predictions these are, in words and with the verb.
    """

    rows: int
    agreeing: int
    largest: int
    renaming: Renaming | None = None
    names: tuple[str, ...] = ()
    subject: str = "the last checkpoint agrees"

    @property
    def share(self) -> float:
        """The share of rows that agree, in [0, 1]."""
        return self.agreeing / self.rows

    @property
    def largest_share(self) -> float:
        """The share of rows that have the most frequent label: what a constant answer reaches."""
        return self.largest / self.rows

    @property
    def is_low(self) -> bool:
        """Whether the share is below one half, or below 1.5 times that of the largest class.

        Complete agreement is never low, however large the largest class is.
        """
        return _is_low(self.agreeing, self.largest, self.rows)

    @property
    def percent(self) -> int:
        """The share in whole percent; 50 and 100 only where it is not below them."""
        return _percent(self.share)

    @property
    def sentence(self) -> str:
        """Return `the last checkpoint agrees with N % of the labels`."""
        return f"{self.subject} with {self.percent} % of the labels"

    def sample_sentence(self) -> str:
        """Return `the last checkpoint agrees with N % of M labels (a sample)`."""
        return f"{self.subject} with {self.percent} % of {self.rows:,} labels (a sample)"

    @property
    def explanation(self) -> str:
        """What is probably wrong and how to check that, in sentences."""
        return "\n".join([_REASONS, *self.renaming_lines, _CHECK])

    @property
    def renaming_lines(self) -> list[str]:
        """The renaming that explains the confusion, in a line; no line where there is none."""
        if self.renaming is None:
            return []
        moves = self.renaming.moves
        pairs = ", ".join(f"{self._label(a)} -> {self._label(b)}" for a, b in moves[:_MOST_MOVES])
        more = f" and {len(moves) - _MOST_MOVES:,} more" if len(moves) > _MOST_MOVES else ""
        return [
            f"The order of the classes explains it: with the predicted classes renamed "
            f"{pairs}{more}, {_percent(self.renaming.share)} % of the labels agree."
        ]

    @property
    def warning(self) -> str | None:
        """The warning in several lines where agreement is low; None where it is not."""
        return self._warning(self.sentence) if self.is_low else None

    def sample_warning(self) -> str | None:
        """Return the warning about a sample of the labels; None where agreement is not low."""
        return self._warning(self.sample_sentence()) if self.is_low else None

    def _warning(self, sentence: str) -> str:
        percent = _percent(self.largest_share) or "less than 1"
        largest = f"the largest class alone has {percent} % of them"
        return f"warning: {sentence}; {largest}.\n{self.explanation}"

    def _label(self, number: int) -> str:
        if number >= len(self.names):
            return str(number)
        name = main_name(self.names[number])
        return name if name == str(number) else f"{number} ({name})"


_REASONS = (
    "Scores of such a run may say little about the examples. Two reasons are usual: the transform "
    "is not that of training (size, scaling, normalisation, order of colours), or the order of the "
    "classes is not that of training."
)
_CHECK = (
    "To check: compute the accuracy on these examples with the code that trained the model. If it "
    "is the same, the run is as it should be; if it is higher, give the transform of that code, "
    "and labels numbered as in it."
)


def label_agreement(run: Run) -> LabelAgreement | None:
    """Return how often the last checkpoint of a run agrees with the labels.

    None where that says nothing: without labels or predictions, with the predicted class as the
    target, and of gradients that were imported.
    """
    if run.question.get("target") in ("predicted", "as stored"):
        return None
    if "gradients" in run.question.get("where", {}) or "prediction@all" not in run.columns:
        return None
    table = run.table(["label", "prediction@all"])
    labels, predictions = (column.fill_null(-1).to_numpy() for column in table.columns)
    subject = "most last checkpoints agree" if "combined" in run.question else None
    return agreement_of(labels, predictions, tuple(run.label_names or ()), subject)


def agreement_of(
    labels: Classes, predictions: Classes, names: tuple[str, ...] = (), subject: str | None = None
) -> LabelAgreement | None:
    """Return how often predictions agree with labels; None where no row has both.

    Args:
        labels: by row, negative where there is none.
        predictions: by row, negative where there is none.
        names: of the classes, by number.
        subject: whose predictions these are, with the verb.
    """
    has_both = (labels >= 0) & (predictions >= 0)
    labels, predictions = labels[has_both], predictions[has_both]
    rows = len(labels)
    if rows == 0:
        return None
    agreeing = int((labels == predictions).sum())
    largest = int(np.unique(labels, return_counts=True)[1].max())
    low = _is_low(agreeing, largest, rows)
    renaming = find_renaming(labels, predictions) if low else None
    subject_argument: dict[str, Any] = {} if subject is None else {"subject": subject}
    return LabelAgreement(rows, agreeing, largest, renaming, names, **subject_argument)


def sample_sentence(labels: Classes, predictions: Classes) -> str:
    """Return the sentence of the plan about a sample of the labels; nothing without labels."""
    sample = agreement_of(labels, predictions)
    return "" if sample is None else sample.sample_sentence()


def sample_warning(
    labels: Classes, predictions: Classes, names: tuple[str, ...] = ()
) -> str | None:
    """Return the warning about a sample of the labels; None where agreement is not low."""
    sample = agreement_of(labels, predictions, names)
    return None if sample is None else sample.sample_warning()


def find_renaming(labels: Classes, predictions: Classes) -> Renaming | None:
    """Return the renaming of predicted classes that explains a confusion; None where none does.

    It is learned from every second row of each class and judged by the others: of few rows in many
    classes, some renaming explains most, and says nothing.
    """
    class_numbers, codes = np.unique(np.concatenate([labels, predictions]), return_inverse=True)
    if len(class_numbers) > _MOST_CLASSES:
        return None
    truth, guess = codes[: len(labels)], codes[len(labels) :]
    fit_rows = _every_second(truth)
    new = _assign(truth[fit_rows], guess[fit_rows], len(class_numbers))
    test_rows = ~fit_rows
    if not test_rows.any():
        return None
    before = (truth == guess)[test_rows].mean()
    after = (truth == new[guess])[test_rows].mean()
    if after < _LEAST_AGREEMENT or after < before + _LEAST_GAIN:
        return None
    new = _assign(truth, guess, len(class_numbers))
    predicted = np.unique(guess[truth == new[guess]])
    moves = [(int(class_numbers[a]), int(class_numbers[new[a]])) for a in predicted if new[a] != a]
    return Renaming(tuple(moves), float((truth == new[guess]).mean()))


def _every_second(classes: Classes) -> Bool[np.ndarray, "n"]:
    """Return which rows are the first, third, ... of their class."""
    order = np.argsort(classes, kind="stable")
    sorted_classes = classes[order]
    starts = np.searchsorted(sorted_classes, sorted_classes)
    odd = np.empty(len(classes), bool)
    odd[order] = (np.arange(len(classes)) - starts) % 2 == 0
    return odd


def _assign(truth: Classes, guess: Classes, classes: int) -> Int[np.ndarray, "classes"]:
    """Return by predicted class the label that it stands for, so that most rows agree."""
    confusion = np.bincount(guess * classes + truth, minlength=classes**2)
    return linear_sum_assignment(confusion.reshape(classes, classes), maximize=True)[1]


def _is_low(agreeing: int, largest: int, rows: int) -> bool:
    share, largest_share = agreeing / rows, largest / rows
    return agreeing < rows and (share < _LOW or share < _TIMES_THE_LARGEST * largest_share)


def _percent(share: float) -> int:
    """Return a share in whole percent, not rounded up to one half or to all."""
    rounded = round(100 * share)
    ceiling = 49 if share < 0.5 else 99 if share < 1 else 100
    return min(rounded, ceiling)
