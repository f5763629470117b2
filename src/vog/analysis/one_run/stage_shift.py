"""How a score's ranking changes from the first stage of training to the last."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from vog.analysis.one_run.correlation import spearman
from vog.analysis.one_run.row_facts import misclassified
from vog.analysis.one_run.score_columns import columns_by_stage, default_score, first_and_last
from vog.result import Run

_HARD, _EASY = 0.8, 0.5  # ranks: the hardest fifth, the easier half
_MOST_ROWS = 12


@dataclass(frozen=True)
class DecilePair:
    """The examples of one tenth at the first stage and one at the last.

    Attributes:
        first: the tenth at the first stage, 1 the easiest and 10 the hardest.
        last: the tenth at the last stage.
        examples: how many are in both.
        share: of those in the first tenth, in [0, 1]; NaN where that is empty.
    """

    first: int
    last: int
    examples: int
    share: float


@dataclass(frozen=True)
class Group:
    """Examples that share a course. Hard is the hardest fifth of a stage, easy the easier half.

    Attributes:
        name: as `hard early, easy late`, with the names of the stages.
        said: what that means, in a sentence.
        examples: how many.
        share: of all that have a value at both stages, in [0, 1]; NaN where none has.
        error: the share of them that the last checkpoint gets wrong; NaN where it is not known.
        rows: the numbers in the data of up to 12, the most typical first.
    """

    name: str
    meaning: str
    examples: int
    share: float
    error: float
    rows: tuple[int, ...]


@dataclass(frozen=True)
class StageShift:
    """A score at the first and the last stage.

    Attributes:
        score: as `vog:class`.
        first: the name of the first stage.
        last: that of the last.
        spearman: of the two rankings, in [-1, 1]; NaN where one of them is constant.
        deciles: a hundred pairs, by the first tenth and then by the last.
        groups: hard throughout, hard then easy, easy then hard, easy throughout.
    """

    score: str
    first: str
    last: str
    spearman: float
    deciles: tuple[DecilePair, ...]
    groups: tuple[Group, ...]


def stage_shift(run: Run, score: str | None = None) -> StageShift:
    """The rankings of the first and the last stage, `all` apart, side by side.

    Tenths are of the rank and equal values stand in one, so that a score of few values, as
    `correctness`, fills them unevenly.

    Args:
        run: rows without a value at one of the two stages are left out.
        score: without its stage, as for `vog.analyze`.

    Raises:
        ResultError: the run has no such score, or fewer than two stages beside `all`.
    """
    score = score or default_score(run)
    first, last = first_and_last(run, score)
    columns = columns_by_stage(run, score)
    # Rounded: 1 - 0.9 is a little less than the 0.1 where the second tenth begins.
    ranks = [run.hardness(columns[stage]).round(12) for stage in (first, last)]
    has_both = ~(np.isnan(ranks[0]) | np.isnan(ranks[1]))
    early, late = (stage_ranks[has_both] for stage_ranks in ranks)
    return StageShift(
        score,
        first,
        last,
        spearman(early, late),
        _deciles(early, late),
        tuple(
            _group(run, {first: early, last: late}, has_both, (hard_first, hard_last))
            for hard_first, hard_last in itertools.product((True, False), repeat=2)
        ),
    )


def _deciles(early: Float[np.ndarray, "m"], late: Float[np.ndarray, "m"]) -> tuple[DecilePair, ...]:
    first, last = (np.minimum(10 * ranks, 9).astype(np.int64) for ranks in (early, late))
    count = np.bincount(10 * first + last, minlength=100).reshape(10, 10)
    total = count.sum(axis=1, keepdims=True)
    share = np.where(total > 0, count / np.maximum(total, 1), np.nan)
    return tuple(
        DecilePair(i + 1, j + 1, int(count[i, j]), float(share[i, j]))
        for i in range(10)
        for j in range(10)
    )


def _group(
    run: Run,
    ranks: Mapping[str, Float[np.ndarray, "m"]],
    has_both: Bool[np.ndarray, "n"],
    hard: tuple[bool, bool],
) -> Group:
    """The group that is hard, or easy, at the first and at the last stage."""
    in_group, typicality = np.ones(int(has_both.sum()), bool), np.ones(int(has_both.sum()))
    for stage_ranks, at_hard_end in zip(ranks.values(), hard, strict=True):
        in_group &= stage_ranks >= _HARD if at_hard_end else stage_ranks < _EASY
        typicality *= stage_ranks if at_hard_end else 1 - stage_ranks
    members = np.flatnonzero(has_both)[in_group]
    typical_rows = members[np.argsort(-typicality[in_group], kind="stable")[:_MOST_ROWS]]
    errors, has_prediction = (flags[members] for flags in misclassified(run, "all"))
    first, last = ranks
    name, meaning = _name_and_meaning(first, last, *hard)
    return Group(
        name,
        meaning,
        len(members),
        len(members) / len(in_group) if len(in_group) else float("nan"),
        float(errors[has_prediction].mean()) if has_prediction.any() else float("nan"),
        tuple(run.table(["index"])["index"].to_numpy()[typical_rows].tolist()),
    )


def _name_and_meaning(first: str, last: str, hard_first: bool, hard_last: bool) -> tuple[str, str]:
    """What a group is called, and the sentence that says what it holds."""
    short, long = ("easy", "hard"), ("easier half", "hardest fifth")
    if hard_first == hard_last:
        name = f"{short[hard_first]} throughout"
        return name, f"In the {long[hard_first]} at {first} and still at {last}."
    name = f"{short[hard_first]} {first}, {short[hard_last]} {last}"
    return name, f"In the {long[hard_first]} at {first} and in the {long[hard_last]} at {last}."
