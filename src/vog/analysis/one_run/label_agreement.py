"""Agreement of the last checkpoint with the labels, which reveals a wrong transform.

If a network is scored with a different transform than in training, or with its classes in a
different order, the scores look normal but mean nothing. Its predictions show the mistake.
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
_LEAST_AGREEMENT = 0.5  # share of labels that must agree after classes are renamed
_LEAST_GAIN = 0.2  # and the least gain over the share before
_MOST_CLASSES = 3000  # the assignment of more classes takes minutes
_MOST_MOVES = 5

Classes = Int[np.ndarray, "n"]


@dataclass(frozen=True)
class Renaming:
    """New numbers for the predicted classes, under which predictions agree with the labels.

    Attributes:
        moves: pairs of a predicted class and the label it stands for, if the two differ; sorted
            by predicted class.
        share: share of the rows that agree under the new numbers, in [0, 1].
    """

    moves: tuple[tuple[int, int], ...]
    share: float


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement of predictions with labels.

    Attributes:
        rows: number of rows with a label and a prediction.
        agreeing: number of these rows where the two agree.
        largest: number of these rows with the most frequent label.
        renaming: the new order of classes that explains low agreement; None if there is none.
        names: names of the classes, in order of their numbers; empty if the data have none.
        subject: subject and verb of the sentence, which say whose predictions these are.
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
        """The share of rows with the most frequent label, which a constant prediction reaches."""
        return self.largest / self.rows

    @property
    def is_low(self) -> bool:
        """True if the share is below one half, or below 1.5 times that of the largest class.

        Complete agreement is never low, however large the largest class is.
        """
        return _is_low(self.agreeing, self.largest, self.rows)

    @property
    def percent(self) -> int:
        """The share in whole percent, rounded up to neither 50 nor 100."""
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
        """Sentences on what is probably wrong and how to check it."""
        return "\n".join([_REASONS, *self.renaming_lines, _CHECK])

    @property
    def renaming_lines(self) -> list[str]:
        """One line with the renaming that explains the confusion; empty if there is none."""
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
        """The warning, several lines, if agreement is low; else None."""
        return self._warning(self.sentence) if self.is_low else None

    def sample_warning(self) -> str | None:
        """Return the warning about a sample of the labels; None if agreement is not low."""
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

    Return None if this has no meaning: there are no labels or predictions, the target is the
    predicted class, or the gradients were imported.
    """
    if run.question.get("target") in ("predicted", "as stored"):
        return None
    if "gradients" in run.question.get("where", {}) or "prediction@all" not in run.columns:
        return None
    labels = run.class_labels
    predictions = run.table(["prediction@all"]).column(0).fill_null(-1).to_numpy()
    subject = "most last checkpoints agree" if "combined" in run.question else None
    return agreement_of(labels, predictions, tuple(run.label_names or ()), subject)


def agreement_of(
    labels: Classes, predictions: Classes, names: tuple[str, ...] = (), subject: str | None = None
) -> LabelAgreement | None:
    """Return how often predictions agree with labels; None if no row has both.

    Args:
        labels: one for each row, negative if there is none.
        predictions: one for each row, negative if there is none.
        names: names of the classes, in order of their numbers.
        subject: subject and verb of the sentence, which say whose predictions these are.
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
    """Return the sentence of the plan about a sample of the labels; empty without labels."""
    sample = agreement_of(labels, predictions)
    return "" if sample is None else sample.sample_sentence()


def sample_warning(
    labels: Classes, predictions: Classes, names: tuple[str, ...] = ()
) -> str | None:
    """Return the warning about a sample of the labels; None if agreement is not low."""
    sample = agreement_of(labels, predictions, names)
    return None if sample is None else sample.sample_warning()


def find_renaming(labels: Classes, predictions: Classes) -> Renaming | None:
    """Return the renaming of predicted classes that explains a confusion; None if there is none.

    It is learned from every second row of each class and judged by the remaining rows: with few
    rows in many classes, some renaming fits most of the rows that it is learned from.
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
    """Return a label for each predicted class, so that as many rows as possible agree."""
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
