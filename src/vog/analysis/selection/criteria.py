"""The criteria of a selection: amounts, orders, marks, and the draft they are applied to."""

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
from vog.wording import option

# A row's reason is the first of these that applies.
REASONS = ("marked", "suspect", "problem", "redundant", "easy", "hard")
KEPT = -1
Amount = str | float | int
_Mask = Bool[np.ndarray, "n"]
_Positions = Int[np.ndarray, "m"]


@dataclass(frozen=True)
class ParsedAmount:
    """An exact share of rows, or a number of rows."""

    value: Fraction
    is_share: bool

    def count_of(self, rows: int) -> Fraction:
        """Return the amount as a number of rows, before rounding."""
        return self.value * rows if self.is_share else self.value


@dataclass(frozen=True)
class KeptShare:
    """The number of rows to keep in the end, the column that orders them, and the end to keep."""

    keep: int
    column: str
    hardest: bool


@dataclass(frozen=True)
class RowTable:
    """The rows of a run: labels are -1 for none, large values of `hardness` are hard."""

    index: Int[np.ndarray, "n"]
    ids: pa.ChunkedArray
    labels: Int[np.ndarray, "n"]
    problem: _Mask
    hardness: Float[np.ndarray, "n"]
    tie_break: UInt64[np.ndarray, "n"]


@dataclass(frozen=True)
class Decisions:
    """The decisions of people: rows to drop, rows with trusted labels, and all labels."""

    dropped: _Mask
    trusted: _Mask
    labels: Int[np.ndarray, "n"]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """The selection so far; `floor` is how many rows of the same class to keep at least."""

    labels: Int[np.ndarray, "n"]
    floor: Int[np.ndarray, "n"]
    reason: Int[np.ndarray, "n"]

    @property
    def kept(self) -> _Mask:
        """The rows that are not dropped."""
        return self.reason == KEPT

    def without(self, rows: _Mask, reason: str) -> "Draft":
        """Return a draft without these rows; rows that were dropped before keep their reason."""
        return replace(self, reason=np.where(self.kept & rows, REASONS.index(reason), self.reason))


def parse_amount(amount: Amount | None, name: str, max_rows: int | None) -> ParsedAmount | None:
    """Return the amount of the setting `name`; a number of rows is at most `max_rows`, if given."""
    if amount is None:
        return None
    text = str(amount).strip()
    parsed = None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?) ?%", text, re.ASCII):
        parsed = ParsedAmount(Fraction(match[1]) / 100, is_share=True)
    elif re.fullmatch(r"\d*\.\d+", text, re.ASCII) and isinstance(amount, str):
        parsed = ParsedAmount(Fraction(text), is_share=True)
    elif isinstance(amount, float) and math.isfinite(amount):
        # 1 - 0.9 is 0.09999999999999998, and should count as a tenth.
        parsed = ParsedAmount(Fraction(amount).limit_denominator(10**9), is_share=True)
    elif re.fullmatch(r"\d{1,18}", text, re.ASCII):
        parsed = ParsedAmount(Fraction(text), is_share=False)
    limit = 1 if parsed and parsed.is_share else max_rows
    if parsed is None or parsed.value < 0 or (limit is not None and parsed.value > limit):
        least = "" if max_rows is None else f" to {max_rows:,}"
        raise ResultError(
            f"{option(name, amount)}: expected a share from 0 % to 100 %, such as 30% or 0.3, or a "
            f"number of rows from 0{least}, such as 20."
        )
    return parsed


def parse_share(run: Run, amounts: Mapping[str, Amount | None], by: str | None) -> KeptShare | None:
    names = [name for name, amount in amounts.items() if amount is not None]
    if len(names) > 1:
        texts = " and ".join(option(name) for name in names)
        raise ResultError(f"{texts} contradict each other. Give one of them.")
    if not names:
        if by is not None:
            texts = ", ".join(option(name) for name in amounts)
            raise ResultError(f"{option('by', by)} only works with one of {texts}. Add one.")
        return None
    column = run.sort_column(by)
    run.score_column(column)
    parsed = parse_amount(amounts[names[0]], names[0], run.rows)
    assert parsed is not None
    rows = parsed.count_of(run.rows)
    keep = run.rows - math.floor(rows) if names[0] == "drop_easiest" else math.ceil(rows)
    return KeptShare(keep, column, hardest=names[0] != "keep_easiest")


def read_rows(run: Run, column: str | None, seed: int) -> RowTable:
    table = run.table(["index", "id", "problem"])
    problem = table["problem"].is_valid().to_numpy()
    values = np.zeros(run.rows)
    if column is not None:
        values = run.values(column) if run.higher_is_harder(column) else -run.values(column)
        if column.partition(":")[2] in CLASS_STATISTICS:
            # The last digits of sums depend on the order of the rows; the selection must not.
            values = values.round(6)
        problem = problem | np.isnan(values)
    key = str(seed).encode()
    names = (blake2b(id.encode(), digest_size=8, key=key) for id in table["id"].to_pylist())
    tie_break = np.array([int.from_bytes(digest.digest()) for digest in names], np.uint64)
    labels = run.class_labels
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
    """Return for each row the number of rows of its class to keep at least; 0 without a label."""
    assert least is not None
    classes, code, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    floors = [math.ceil(least.count_of(size)) for size in sizes.tolist()]
    return np.where(classes < 0, 0, np.array(floors, np.int64))[code]


def easiest_first(run: Run, column: str, seed: int = 0) -> Int[np.ndarray, "n"]:
    """Return the positions of the rows, the easiest first; those without a value last.

    Ties are ordered at random by `seed` and the ids, independent of the order of the rows.

    Raises:
        ResultError: there is no such column, or it is not a score.
    """
    run.score_column(column)
    rows = read_rows(run, column, seed)
    return np.lexsort((rows.tie_break, rows.hardness))


def rank_in_class(order: _Positions, labels: Int[np.ndarray, "n"]) -> _Positions:
    """Return for each row of an order the number of rows of its class before it."""
    order_labels = labels[order]
    by_class = np.argsort(order_labels, kind="stable")
    _, starts, sizes = np.unique(order_labels[by_class], return_index=True, return_counts=True)
    ranks = np.empty(len(order), np.int64)
    ranks[by_class] = np.arange(len(order)) - np.repeat(starts, sizes)
    return ranks


def redundant_rows(run: Run, rows: RowTable, draft: Draft, count: int) -> tuple[_Mask, list[str]]:
    """Return the easiest redundant rows, at most as the class floors allow, and notes."""
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
        notes.append(f"{len(order):,} rows are redundant, and not {count:,} as requested.")
    return _mask(order[:count], len(rows.hardness)), notes


def _always_right(run: Run) -> tuple[_Mask, list[str]]:
    """Return the rows that are right at every checkpoint (or only at the last, with a note)."""
    if "correctness@all" in run.score_columns:
        return run.values("correctness@all") == 1, []
    if "prediction@all" not in run.columns:
        raise ResultError(
            f"{run.folder} has neither correctness nor predictions, so redundant rows are unknown. "
            f"Score again with correctness in {option('scores')}."
        )
    errors, judged = misclassified(run, "all")
    return judged & ~errors, ["without correctness, only the last checkpoint has to be right."]


def rows_beyond_share(rows: RowTable, share: KeptShare, draft: Draft) -> tuple[_Mask, list[str]]:
    """Return the rows that the share leaves out, and notes."""
    lacking = np.isnan(rows.hardness)
    # The tie-break is reversed too, so that keep_easiest is the complement of keep_hardest.
    order = np.lexsort((rows.tie_break, rows.hardness))[:: -1 if share.hardest else 1]
    order = order[np.argsort(~lacking[order], kind="stable")]
    order = order[draft.kept[order]]
    fixed = lacking[order] | (rank_in_class(order, draft.labels) < draft.floor[order])
    order = np.concatenate([order[fixed], order[~fixed]])
    size = min(max(share.keep, int(fixed.sum())), len(order))
    notes = []
    if missing := int(lacking[order].sum()):
        drop = option("drop_problems", True)
        notes.append(f"{missing:,} rows have no {share.column} and are kept; {drop} drops them.")
    if size != share.keep:
        more = (
            "the floor and rows without a value keep" if size > share.keep else "other options drop"
        )
        notes.append(f"{size:,} rows are left, and not {share.keep:,} as requested: {more} more.")
    return _mask(order[size:], len(lacking)), notes


def _mask(positions: _Positions, rows: int) -> _Mask:
    mask = np.zeros(rows, bool)
    mask[positions] = True
    return mask
