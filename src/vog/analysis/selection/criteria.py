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
from vog.result.derived_columns import STANDARDS
from vog.result.ids import places_of
from vog.result.marks import Review

# The first that holds for a row is why it is dropped.
REASONS = ("marked", "suspect", "problem", "redundant", "easy", "hard")
KEPT = -1
Amount = str | float | int
_Mask = Bool[np.ndarray, "n"]
_Order = Int[np.ndarray, "m"]


@dataclass(frozen=True)
class Number:
    """A share of rows, exactly, or a number of them."""

    value: Fraction
    is_share: bool

    def of(self, rows: int) -> Fraction:
        """So many of these rows, before rounding."""
        return self.value * rows if self.is_share else self.value


@dataclass(frozen=True)
class KeptShare:
    """How many rows are kept in the end, by which column and from which end."""

    keep: int
    column: str
    hardest: bool


@dataclass(frozen=True)
class Table:
    """The rows: names, classes (-1: none), problems, values turned so that large is hard."""

    index: Int[np.ndarray, "n"]
    ids: pa.ChunkedArray
    labels: Int[np.ndarray, "n"]
    problem: _Mask
    hard: Float[np.ndarray, "n"]
    draw: UInt64[np.ndarray, "n"]


@dataclass(frozen=True)
class People:
    """What people decided: rows to drop, rows whose label is right now, the labels."""

    dropped: _Mask
    settled: _Mask
    labels: Int[np.ndarray, "n"]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """What is decided so far: classes, how many of each are held back, and why rows are dropped."""

    labels: Int[np.ndarray, "n"]
    held: Int[np.ndarray, "n"]
    why: Int[np.ndarray, "n"]

    @property
    def kept(self) -> _Mask:
        """The rows that nothing has dropped."""
        return self.why == KEPT

    def without(self, rows: _Mask, reason: str) -> "Draft":
        """The same without these rows, of which those that were dropped keep their reason."""
        return replace(self, why=np.where(self.kept & rows, REASONS.index(reason), self.why))


def number_of(given: Amount | None, option: str, most: int | None) -> Number | None:
    """What an amount says; `most` is how many rows there are, if it may not be more."""
    if given is None:
        return None
    text = str(given).strip()
    found = None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?%", text, re.ASCII):
        found = Number(Fraction(match[1]) / 100, is_share=True)
    elif re.fullmatch(r"\d*\.\d+", text, re.ASCII) and isinstance(given, str):
        found = Number(Fraction(text), is_share=True)
    elif isinstance(given, float) and math.isfinite(given):
        # 1 - 0.9 is 0.09999999999999998, and a tenth is meant.
        found = Number(Fraction(given).limit_denominator(10**9), is_share=True)
    elif re.fullmatch(r"\d{1,18}", text, re.ASCII):
        found = Number(Fraction(text), is_share=False)
    limit = 1 if found and found.is_share else most
    if found is None or found.value < 0 or (limit is not None and found.value > limit):
        least = "" if most is None else f" to {most:,}"
        raise ResultError(
            f"{option} {given!r}: expected a share from 0 % to 100 %, as 30% or 0.3, or a number "
            f"of rows from 0{least}, as 20."
        )
    return found


def share_of(run: Run, asked: Mapping[str, Amount | None], by: str | None) -> KeptShare | None:
    given = [option for option, amount in asked.items() if amount is not None]
    if len(given) > 1:
        raise ResultError(f"{' and '.join(given)} contradict each other. Give one of them.")
    if not given:
        if by is not None:
            raise ResultError(
                f"--by {by} says by what a share is taken, and none is asked. Give one of "
                f"{', '.join(asked)}."
            )
        return None
    column = by or run.default_column
    run.score_column(column)
    number = number_of(asked[given[0]], given[0], run.rows)
    assert number is not None
    rows = number.of(run.rows)
    keep = run.rows - math.floor(rows) if given[0] == "--drop-easiest" else math.ceil(rows)
    return KeptShare(keep, column, hardest=given[0] != "--keep-easiest")


def read_rows(run: Run, column: str | None, seed: int) -> Table:
    table = run.table(["index", "id", "label", "problem"])
    problem = table["problem"].is_valid().to_numpy()
    hard = np.zeros(run.rows)
    if column is not None:
        hard = run.numbers(column) if run.hard_is_high(column) else -run.numbers(column)
        if column.partition(":")[2] in STANDARDS:
            # Sums depend on the order of the rows in their last digits; the choice must not.
            hard = hard.round(6)
        problem = problem | np.isnan(hard)
    key = str(seed).encode()
    names = (blake2b(id.encode(), digest_size=8, key=key) for id in table["id"].to_pylist())
    draw = np.array([int.from_bytes(one.digest()) for one in names], np.uint64)
    labels = table["label"].fill_null(-1).to_numpy()
    return Table(table["index"].to_numpy(), table["id"], labels, problem, hard, draw)


def marks(run: Run, rows: Table, drop: bool, relabel: bool, suspected: bool) -> People:
    marks = Review(run.folder).marks() if drop or relabel or suspected else {}
    at = places_of(marks, rows.ids)
    labels, places = rows.labels.copy(), {verdict: [] for verdict in ("keep", "relabel", "drop")}
    for mark, place in zip(marks.values(), at.tolist(), strict=True):
        if place >= 0 and mark.verdict is not None:
            places[mark.verdict].append(place)
            if relabel and mark.verdict == "relabel":
                labels[place] = mark.label
    masks = {verdict: _mask(np.array(some, int), run.rows) for verdict, some in places.items()}
    asked = {"drop": drop, "relabel": relabel}
    notes = [f"no row is marked {word}." for word in asked if asked[word] and not places[word]]
    nobody = np.zeros(run.rows, bool)
    return People(
        masks["drop"] if drop else nobody,
        masks["keep"] | (masks["relabel"] if relabel else nobody),
        labels,
        tuple(notes),
    )


def held_back(least: Number | None, labels: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """For each row, how many of its class are held back; none of the rows without a class."""
    assert least is not None
    classes, at, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    floors = [math.ceil(least.of(size)) for size in sizes.tolist()]
    return np.where(classes < 0, 0, np.array(floors, np.int64))[at]


def easiest_first(run: Run, column: str, seed: int = 0) -> Int[np.ndarray, "n"]:
    """Positions of the rows, the easiest first; those without a value last, in any order.

    Equal values are drawn by `seed` and the ids, whatever the order of the rows.

    Raises:
        ResultError: there is no such column, or it is no score.
    """
    run.score_column(column)
    rows = read_rows(run, column, seed)
    return np.lexsort((rows.draw, rows.hard))


def place_in_class(order: _Order, labels: Int[np.ndarray, "n"]) -> _Order:
    """For each row of an order, how many of its class come before it."""
    of_class = labels[order]
    by_class = np.argsort(of_class, kind="stable")
    _, starts, sizes = np.unique(of_class[by_class], return_index=True, return_counts=True)
    places = np.empty(len(order), np.int64)
    places[by_class] = np.arange(len(order)) - np.repeat(starts, sizes)
    return places


def redundant_rows(run: Run, rows: Table, draft: Draft, count: int) -> tuple[_Mask, list[str]]:
    """The easiest by all scores but for those that a class holds back, and what is to be said."""
    columns = [name for name in run.score_columns if name.endswith("@all")]
    mean = hardness(run, columns).mean(axis=0)
    right, notes = _always_right(run)
    may = draft.kept & ~np.isnan(mean) & right
    order = np.lexsort((rows.draw, mean))
    order = order[may[order]]
    _, code = np.unique(draft.labels, return_inverse=True)
    spare = np.bincount(code[draft.kept], minlength=int(code.max()) + 1)[code] - draft.held
    order = order[place_in_class(order, draft.labels) < spare[order]]
    if len(order) < count:
        notes.append(f"{len(order):,} rows are redundant where {count:,} were asked.")
    return _mask(order[:count], len(rows.hard)), notes


def _always_right(run: Run) -> tuple[_Mask, list[str]]:
    """Right at every checkpoint, or at the last where correctness was not scored, which is said."""
    if "correctness@all" in run.score_columns:
        return run.numbers("correctness@all") == 1, []
    if "prediction@all" not in run.columns:
        raise ResultError(
            f"{run.folder} has neither correctness nor predictions, so nothing is known to be "
            f"redundant. Score again with correctness among --scores."
        )
    errors, known = misclassified(run, "all")
    return known & ~errors, ["correctness was not scored: redundant is right at the last one."]


def beyond(rows: Table, share: KeptShare, draft: Draft) -> tuple[_Mask, list[str]]:
    """The rows that are not wanted, and what is to be said of it."""
    lacking = np.isnan(rows.hard)
    # Draws are turned with the values: the easiest are then what the hardest leave.
    order = np.lexsort((rows.draw, rows.hard))[:: -1 if share.hardest else 1]
    order = order[np.argsort(~lacking[order], kind="stable")]
    order = order[draft.kept[order]]
    first = lacking[order] | (place_in_class(order, draft.labels) < draft.held[order])
    order = np.concatenate([order[first], order[~first]])
    left = min(max(share.keep, int(first.sum())), len(order))
    notes = []
    if none := int(lacking[order].sum()):
        notes.append(
            f"{none:,} rows have no {share.column} and are kept; --drop-problems drops them."
        )
    if left != share.keep:
        more = (
            "the floor and rows without a value hold" if left > share.keep else "other options drop"
        )
        notes.append(f"{left:,} rows are left where {share.keep:,} were asked: {more} more.")
    return _mask(order[left:], len(lacking)), notes


def _mask(at: _Order, rows: int) -> _Mask:
    mask = np.zeros(rows, bool)
    mask[at] = True
    return mask
