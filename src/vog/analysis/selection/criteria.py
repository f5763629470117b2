"""Which rows are wanted: amounts, orders, what people decided, and what is decided so far."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int, UInt64

from vog.analysis.one_run.correlation import hardness
from vog.analysis.one_run.row_facts import misclassified
from vog.errors import ResultError
from vog.result import Run
from vog.result.derived_columns import CLASS_STATISTICS
from vog.result.ids import positions_of
from vog.result.marks import Review

# The first that holds for a row is why it is dropped.
REASONS = ("marked", "suspect", "problem", "redundant", "easy", "hard")
KEPT = -1
Amount = str | float | int
_Mask = Bool[np.ndarray, "n"]
_Positions = Int[np.ndarray, "m"]


@dataclass(frozen=True)
class ParsedAmount:
    """A share of rows, exactly, or a number of them."""

    value: Fraction
    is_share: bool

    def count_of(self, rows: int) -> Fraction:
        """So many of these rows, before rounding."""
        return self.value * rows if self.is_share else self.value


@dataclass(frozen=True)
class KeptShare:
    """How many rows are kept in the end, by which column and from which end."""

    keep: int
    column: str
    hardest: bool


@dataclass(frozen=True)
class RowTable:
    """The rows: names, classes (-1: none), problems, values turned so that large is hard."""

    index: Int[np.ndarray, "n"]
    ids: pa.ChunkedArray
    labels: Int[np.ndarray, "n"]
    problem: _Mask
    hardness: Float[np.ndarray, "n"]
    tie_break: UInt64[np.ndarray, "n"]


@dataclass(frozen=True)
class Decisions:
    """What people decided: rows to drop, rows whose label is right now, the labels."""

    dropped: _Mask
    trusted: _Mask
    labels: Int[np.ndarray, "n"]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """What is decided so far: classes, how many of each are held back, and why rows are dropped."""

    labels: Int[np.ndarray, "n"]
    floor: Int[np.ndarray, "n"]
    reason: Int[np.ndarray, "n"]

    @property
    def kept(self) -> _Mask:
        """The rows that nothing has dropped."""
        return self.reason == KEPT

    def without(self, rows: _Mask, reason: str) -> "Draft":
        """The same without these rows, of which those that were dropped keep their reason."""
        return replace(self, reason=np.where(self.kept & rows, REASONS.index(reason), self.reason))


def parse_amount(amount: Amount | None, name: str, max_rows: int | None) -> ParsedAmount | None:
    """What an amount says; `most` is how many rows there are, if it may not be more."""
    if amount is None:
        return None
    text = str(amount).strip()
    parsed = None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?%", text, re.ASCII):
        parsed = ParsedAmount(Fraction(match[1]) / 100, is_share=True)
    elif re.fullmatch(r"\d*\.\d+", text, re.ASCII) and isinstance(amount, str):
        parsed = ParsedAmount(Fraction(text), is_share=True)
    elif isinstance(amount, float) and math.isfinite(amount):
        # 1 - 0.9 is 0.09999999999999998, and a tenth is meant.
        parsed = ParsedAmount(Fraction(amount).limit_denominator(10**9), is_share=True)
    elif re.fullmatch(r"\d{1,18}", text, re.ASCII):
        parsed = ParsedAmount(Fraction(text), is_share=False)
    limit = 1 if parsed and parsed.is_share else max_rows
    if parsed is None or parsed.value < 0 or (limit is not None and parsed.value > limit):
        least = "" if max_rows is None else f" to {max_rows:,}"
        raise ResultError(
            f"{name} {amount!r}: expected a share from 0 % to 100 %, as 30% or 0.3, or a number "
            f"of rows from 0{least}, as 20."
        )
    return parsed


def parse_share(run: Run, amounts: Mapping[str, Amount | None], by: str | None) -> KeptShare | None:
    names = [option for option, amount in amounts.items() if amount is not None]
    if len(names) > 1:
        raise ResultError(f"{' and '.join(names)} contradict each other. Give one of them.")
    if not names:
        if by is not None:
            raise ResultError(
                f"--by {by} says by what a share is taken, and none is asked. Give one of "
                f"{', '.join(amounts)}."
            )
        return None
    column = by or run.default_column
    run.score_column(column)
    parsed = parse_amount(amounts[names[0]], names[0], run.rows)
    assert parsed is not None
    rows = parsed.count_of(run.rows)
    keep = run.rows - math.floor(rows) if names[0] == "--drop-easiest" else math.ceil(rows)
    return KeptShare(keep, column, hardest=names[0] != "--keep-easiest")


def read_rows(run: Run, column: str | None, seed: int) -> RowTable:
    table = run.table(["index", "id", "label", "problem"])
    problem = table["problem"].is_valid().to_numpy()
    values = np.zeros(run.rows)
    if column is not None:
        values = run.numbers(column) if run.hard_is_high(column) else -run.numbers(column)
        if column.partition(":")[2] in CLASS_STATISTICS:
            # Sums depend on the order of the rows in their last digits; the choice must not.
            values = values.round(6)
        problem = problem | np.isnan(values)
    key = str(seed).encode()
    names = (blake2b(id.encode(), digest_size=8, key=key) for id in table["id"].to_pylist())
    tie_break = np.array([int.from_bytes(digest.digest()) for digest in names], np.uint64)
    labels = table["label"].fill_null(-1).to_numpy()
    return RowTable(table["index"].to_numpy(), table["id"], labels, problem, values, tie_break)


def read_marks(run: Run, rows: RowTable, drop: bool, relabel: bool, suspects: bool) -> Decisions:
    marks = Review(run.folder).marks() if drop or relabel or suspects else {}
    positions = positions_of(marks, rows.ids)
    labels, marked = rows.labels.copy(), {verdict: [] for verdict in ("keep", "relabel", "drop")}
    for mark, place in zip(marks.values(), positions.tolist(), strict=True):
        if place >= 0 and mark.verdict is not None:
            marked[mark.verdict].append(place)
            if relabel and mark.verdict == "relabel":
                labels[place] = mark.label
    masks = {verdict: _mask(np.array(group, int), run.rows) for verdict, group in marked.items()}
    flags = {"drop": drop, "relabel": relabel}
    notes = [f"no row is marked {word}." for word in flags if flags[word] and not marked[word]]
    no_rows = np.zeros(run.rows, bool)
    return Decisions(
        masks["drop"] if drop else no_rows,
        masks["keep"] | (masks["relabel"] if relabel else no_rows),
        labels,
        tuple(notes),
    )


def row_floors(least: ParsedAmount | None, labels: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """For each row, how many of its class are held back; none of the rows without a class."""
    assert least is not None
    classes, code, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    floors = [math.ceil(least.count_of(size)) for size in sizes.tolist()]
    return np.where(classes < 0, 0, np.array(floors, np.int64))[code]


def easiest_first(run: Run, column: str, seed: int = 0) -> Int[np.ndarray, "n"]:
    """Positions of the rows, the easiest first; those without a value last, in any order.

    Equal values are drawn by `seed` and the ids, whatever the order of the rows.

    Raises:
        ResultError: there is no such column, or it is no score.
    """
    run.score_column(column)
    rows = read_rows(run, column, seed)
    return np.lexsort((rows.tie_break, rows.hardness))


def rank_in_class(order: _Positions, labels: Int[np.ndarray, "n"]) -> _Positions:
    """For each row of an order, how many of its class come before it."""
    order_labels = labels[order]
    by_class = np.argsort(order_labels, kind="stable")
    _, starts, sizes = np.unique(order_labels[by_class], return_index=True, return_counts=True)
    ranks = np.empty(len(order), np.int64)
    ranks[by_class] = np.arange(len(order)) - np.repeat(starts, sizes)
    return ranks


def redundant_rows(run: Run, rows: RowTable, draft: Draft, count: int) -> tuple[_Mask, list[str]]:
    """The easiest by all scores but for those that a class holds back, and what is to be said."""
    columns = [name for name in run.score_columns if name.endswith("@all")]
    mean = hardness(run, columns).mean(axis=0)
    right, notes = _always_right(run)
    eligible = draft.kept & ~np.isnan(mean) & right
    order = np.lexsort((rows.tie_break, mean))
    order = order[eligible[order]]
    _, code = np.unique(draft.labels, return_inverse=True)
    spare = np.bincount(code[draft.kept], minlength=int(code.max()) + 1)[code] - draft.floor
    order = order[rank_in_class(order, draft.labels) < spare[order]]
    if len(order) < count:
        notes.append(f"{len(order):,} rows are redundant where {count:,} were asked.")
    return _mask(order[:count], len(rows.hardness)), notes


def _always_right(run: Run) -> tuple[_Mask, list[str]]:
    """Right at every checkpoint, or at the last where correctness was not scored, which is said."""
    if "correctness@all" in run.score_columns:
        return run.numbers("correctness@all") == 1, []
    if "prediction@all" not in run.columns:
        raise ResultError(
            f"{run.folder} has neither correctness nor predictions, so nothing is known to be "
            f"redundant. Score again with correctness among --scores."
        )
    errors, judged = misclassified(run, "all")
    return judged & ~errors, ["correctness was not scored: redundant is right at the last one."]


def rows_beyond_share(rows: RowTable, share: KeptShare, draft: Draft) -> tuple[_Mask, list[str]]:
    """The rows that are not wanted, and what is to be said of it."""
    lacking = np.isnan(rows.hardness)
    # Draws are turned with the values: the easiest are then what the hardest leave.
    order = np.lexsort((rows.tie_break, rows.hardness))[:: -1 if share.hardest else 1]
    order = order[np.argsort(~lacking[order], kind="stable")]
    order = order[draft.kept[order]]
    fixed = lacking[order] | (rank_in_class(order, draft.labels) < draft.floor[order])
    order = np.concatenate([order[fixed], order[~fixed]])
    size = min(max(share.keep, int(fixed.sum())), len(order))
    notes = []
    if missing := int(lacking[order].sum()):
        notes.append(
            f"{missing:,} rows have no {share.column} and are kept; --drop-problems drops them."
        )
    if size != share.keep:
        more = (
            "the floor and rows without a value hold" if size > share.keep else "other options drop"
        )
        notes.append(f"{size:,} rows are left where {share.keep:,} were asked: {more} more.")
    return _mask(order[size:], len(lacking)), notes


def _mask(positions: _Positions, rows: int) -> _Mask:
    mask = np.zeros(rows, bool)
    mask[positions] = True
    return mask
