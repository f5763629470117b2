"""Change of the ranking by a score from the first stage of training to the last."""

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
    """The examples that are in one tenth at the first stage and in one at the last.

    Attributes:
        first: the tenth at the first stage; 1 is the easiest and 10 the hardest.
        last: the tenth at the last stage.
        examples: number of examples in both.
        share: share of the examples of tenth `first`, in [0, 1]; NaN if that tenth is empty.
    """

    first: int
    last: int
    examples: int
    share: float


@dataclass(frozen=True)
class Group:
    """Examples that change in the same way: hard is the hardest fifth, easy the easier half.

    Attributes:
        name: name with those of the stages, such as `hard early, easy late`.
        meaning: a sentence that explains the name.
        examples: number of examples in the group.
        share: share of all examples with a value at both stages, in [0, 1]; NaN if there are none.
        error: share of the group that the last checkpoint gets wrong, in [0, 1]; NaN if not known.
        rows: numbers in the data of up to 12 examples, the most typical first.
    """

    name: str
    meaning: str
    examples: int
    share: float
    error: float
    rows: tuple[int, ...]


@dataclass(frozen=True)
class StageShift:
    """Comparison of a score at the first and the last stage.

    Attributes:
        score: score without its stage, such as `vog:class`.
        first: name of the first stage.
        last: name of the last stage.
        spearman: correlation of the two rankings, in [-1, 1]; NaN if one of them is constant.
        deciles: a hundred pairs, sorted by the tenth at the first stage and then at the last.
        groups: hard throughout, hard then easy, easy then hard, easy throughout.
    """

    score: str
    first: str
    last: str
    spearman: float
    deciles: tuple[DecilePair, ...]
    groups: tuple[Group, ...]


def stage_shift(run: Run, score: str | None = None) -> StageShift:
    """Return the change of the ranking from the first stage to the last, not counting `all`.

    Tenths are ranges of the rank. Equal values are in the same tenth, so a score with few values,
    such as `correctness`, fills the tenths unevenly.

    Args:
        run: rows without a value at one of the two stages are left out.
        score: a score without its stage, as for `vog.analyze`.

    Raises:
        ResultError: the run has no such score, or fewer than two stages besides `all`.
    """
    score = score or default_score(run)
    first, last = first_and_last(run, score)
    columns = columns_by_stage(run, score)
    # Rounded, because 1 - 0.9 is slightly less than 0.1, where the second tenth begins.
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
    """Return the group that is hard or easy, by `hard`, at the first and the last stage."""
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
    """Return the name of a group and the sentence that explains it."""
    short, long = ("easy", "hard"), ("easier half", "hardest fifth")
    if hard_first == hard_last:
        name = f"{short[hard_first]} throughout"
        return name, f"In the {long[hard_first]} at {first} and still at {last}."
    name = f"{short[hard_first]} {first}, {short[hard_last]} {last}"
    return name, f"In the {long[hard_first]} at {first} and in the {long[hard_last]} at {last}."
