"""Selection of the examples to train with, and what it returns."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from vog.analysis.one_run.row_facts import class_name
from vog.analysis.selection.criteria import (
    KEPT,
    REASONS,
    Amount,
    Draft,
    RowTable,
    parse_amount,
    parse_share,
    read_marks,
    read_rows,
    redundant_rows,
    row_floors,
    rows_beyond_share,
)
from vog.analysis.selection.list_files import write_lists
from vog.errors import ResultError, first_few
from vog.former_names import FormerAttribute
from vog.result import Run
from vog.result.planting_record import Planted
from vog.wording import command, option

_OTHER_CRITERIA = (
    "drop_suspects",
    "drop_redundant",
    "drop_marked",
    "relabel_marked",
    "drop_problems",
)
_LIMIT, _CLASS_LIMIT = 0.2, 0.5  # more suspects are dropped only with `yes`


@dataclass(frozen=True)
class ClassCounts:
    """The numbers of kept and dropped rows of one class.

    Attributes:
        label: the class, after relabelling; None for the rows without a label.
        label_name: the name of the class; None if it has none.
        rows: number of rows of the class.
        kept_rows: number of rows that are kept.
        dropped_by_reason: number of dropped rows for each reason.
    """

    label: int | None
    label_name: str | None
    rows: int
    kept_rows: int
    dropped_by_reason: Mapping[str, int]

    dropped = FormerAttribute("dropped_by_reason")
    kept = FormerAttribute("kept_rows")
    name = FormerAttribute("label_name")


@dataclass(frozen=True)
class Selection:
    """The rows of a run that are kept, in the order of the data.

    Attributes:
        run: the run.
        positions: positions of the kept rows in the run's table.
        indices: their row numbers in the data.
        ids: their names.
        labels: their classes, after relabelling; -1 for none.
        relabelled: number of kept rows whose label differs from the data.
        dropped: the reason for each dropped row, one of `REASONS`, by id.
        classes: the counts of each class.
        notes: sentences about requests that could not be met exactly.
    """

    run: Run
    positions: Int[np.ndarray, "kept"]
    indices: Int[np.ndarray, "kept"]
    ids: tuple[str, ...]
    labels: Int[np.ndarray, "kept"]
    relabelled: int
    dropped: Mapping[str, str]
    classes: tuple[ClassCounts, ...]
    notes: tuple[str, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """The number of dropped rows for each reason that occurs."""
        counts = Counter(self.dropped.values())
        return {reason: counts[reason] for reason in REASONS if counts[reason]}

    def save(
        self,
        path: str | Path,
        form: str | None = None,
        root: str | Path | None = None,
        data: str | Path | None = None,
    ) -> Path:
        """Write the kept rows to a file; an old file is replaced when the new one is complete.

        Args:
            path: the file.
            form: `ids` or `indices`, one a line (int64 indices if the file ends in .npy); `npy`,
                int64 indices; `list`, lines of `relative/path label`; `npz`, the `.npz` that was
                scored with only these rows; `table`, the file of the table that was scored with
                only these rows. By default the form of the file's ending, else `list`
                for image files and `indices` for other data.
            root: the folder that the paths of a list are relative to; by default that of the data.
            data: the `.npz` or the table that was scored, if it has moved.

        Raises:
            ResultError: nothing is kept, there is no such form, the rows cannot be written in this
                form, or the data are not those that were scored.
        """
        return write_lists(self, Path(path), form, root, data)


def select(
    run: Run,
    *,
    keep_hardest: Amount | None = None,
    drop_easiest: Amount | None = None,
    keep_easiest: Amount | None = None,
    by: str | None = None,
    floor: Amount = 0,
    drop_suspects: bool = False,
    planted: Planted | str | Path | None = None,
    stage: str | None = None,
    drop_redundant: Amount | None = None,
    drop_marked: bool = False,
    relabel_marked: bool = False,
    drop_problems: bool = False,
    seed: int = 0,
    yes: bool = False,
) -> Selection:
    """Choose the examples to train with.

    The criteria are applied in this order: marks, suspects, problems, redundant examples, and last
    the share by a column. Amounts are shares of all rows of the run ("70%", "0.7" or 0.7) or
    numbers of rows (1000). `keep_hardest="70%"` is the share of rows left in the end, so rows that
    are dropped for other reasons count as dropped. Ties are ordered at random by `seed`.

    Args:
        run: rows without a value in the column are kept, and count as kept.
        keep_hardest: the amount of rows to keep, rounded up, the hardest first.
        drop_easiest: the same as the amount to drop: 30 % here equals 70 % of `keep_hardest`.
        keep_easiest: the amount of rows to keep, the easiest first.
        by: the column of these shares; by default `run.default_column`, VoG within the class,
            because some raw scores drop whole classes.
        floor: keep at least this number or share of each class, in the same order; other classes
            lose more rows for it. Suspects, marked rows and problems are dropped nevertheless.
        drop_suspects: drop the rows whose label `vog.suspects` takes for wrong, except rows that
            people marked `keep` or that are relabelled.
        planted: for that verdict, the record of planting or its folder, if the run is of planted
            data.
        stage: the stage for that verdict; None for the rule of `vog.suspects`.
        drop_redundant: the amount to drop of the examples that are right at every checkpoint, the
            easiest by the mean of all scores first.
        drop_marked: drop the rows that people marked `drop` in the viewer.
        relabel_marked: give rows that people marked `relabel` there the label that they chose.
        drop_problems: drop the rows that could not be read or scored.
        seed: of the order of ties.
        yes: drop the suspects even if they are more than a fifth of all rows, or more than half of
            a class.

    Raises:
        ResultError: more suspects than that, without `yes`; no criterion, or contradicting ones; an
            invalid amount; no such column; the run lacks what the verdict on suspects needs.
    """
    amounts = {
        "keep_hardest": keep_hardest,
        "drop_easiest": drop_easiest,
        "keep_easiest": keep_easiest,
    }
    share = parse_share(run, amounts, by)
    redundant = parse_amount(drop_redundant, "drop_redundant", run.rows)
    least = parse_amount(floor, "floor", None)
    flags = (drop_suspects, drop_marked, relabel_marked, drop_problems)
    if planted is not None and not drop_suspects:
        raise ResultError(f"{option('planted')} only works with {option('drop_suspects', True)}.")
    if stage is not None and not drop_suspects:
        raise ResultError(f"{option('stage')} only works with {option('drop_suspects', True)}.")
    if share is None and redundant is None and not any(flags):
        texts = ", ".join(option(name) for name in (*amounts, *_OTHER_CRITERIA))
        raise ResultError(f"there is no criterion to select by. Give at least one of {texts}.")
    rows = read_rows(run, None if share is None else share.column, seed)
    marks = read_marks(run, rows, drop_marked, relabel_marked, drop_suspects)
    draft = Draft(marks.labels, row_floors(least, marks.labels), np.full(run.rows, KEPT, np.int8))
    notes, draft = list(marks.notes), draft.without(marks.dropped, "marked")
    if drop_suspects:
        from vog.analysis.label_errors.suspects import suspects  # scikit-learn takes a second

        verdict = suspects(run, planted, stage=stage)
        mask = verdict.suspect
        if verdict.stage_reason is not None:
            notes.append(f"suspects by stage {verdict.stage}: {verdict.stage_reason}.")
        if verdict.reason is not None:
            notes.append(f"no suspects: the number of wrong labels is unknown: {verdict.reason}.")
        notes += _trusted_note(int((mask & marks.trusted & draft.kept).sum()))
        mask &= ~marks.trusted & draft.kept
        if not yes:
            _check_suspect_shares(run, draft.labels, mask)
        draft = draft.without(mask, "suspect")
    if drop_problems:
        draft = draft.without(rows.problem, "problem")
    if redundant is not None:
        mask, added = redundant_rows(run, rows, draft, math.floor(redundant.count_of(run.rows)))
        notes, draft = notes + added, draft.without(mask, "redundant")
    if share is not None:
        mask, added = rows_beyond_share(rows, share, draft)
        notes, draft = notes + added, draft.without(mask, "easy" if share.hardest else "hard")
    return _make_selection(run, rows, draft, notes)


def _check_suspect_shares(
    run: Run, labels: Int[np.ndarray, "n"], suspect: Bool[np.ndarray, "n"]
) -> None:
    """Raise ResultError unless the suspects are few; a verdict on many is seldom right."""
    count, rows = int(suspect.sum()), len(suspect)
    parts = [f"{count:,} of {rows:,} rows ({count / rows:.0%})"] if count > _LIMIT * rows else []
    classes, code = np.unique(labels, return_inverse=True)
    sizes, suspects = (np.bincount(code, weights, len(classes)) for weights in (None, suspect))
    emptied = np.flatnonzero((suspects > _CLASS_LIMIT * sizes) & (classes >= 0))
    worst = emptied[np.argsort(-(suspects / sizes)[emptied], kind="stable")]
    texts = [
        f"{class_name(run, int(classes[index])) or classes[index]} ({suspects[index]:,.0f} of "
        f"{sizes[index]:,})"
        for index in worst
    ]
    parts += [f"more than half of {len(worst)} classes: {first_few(texts)}"] if texts else []
    if parts:
        raise ResultError(
            f"{option('drop_suspects', True)} would drop {', and '.join(parts)}. A wrong verdict "
            f"is more likely: look at some of them first ({command('suspects')}, `vog view`). To "
            f"drop them all: {option('yes', True)}. Nothing was written."
        )


def _trusted_note(count: int) -> list[str]:
    return [f"{count:,} suspects stay: people kept or relabelled them."] if count else []


def _make_selection(run: Run, rows: RowTable, draft: Draft, notes: Sequence[str]) -> Selection:
    labels, positions, drops = draft.labels, np.flatnonzero(draft.kept), np.flatnonzero(~draft.kept)
    reasons = [REASONS[code] for code in draft.reason[drops].tolist()]
    classes, first, code = np.unique(labels, return_index=True, return_inverse=True)
    counts = np.zeros((len(classes), len(REASONS) + 1), np.int64)
    np.add.at(counts, (code, draft.reason), 1)  # KEPT is -1: the last column counts the kept rows
    summaries = tuple(
        ClassCounts(
            None if label < 0 else label,
            class_name(run, label),
            sum(row),
            row[-1],
            {reason: count for reason, count in zip(REASONS, row, strict=False) if count},
        )
        for label, row in zip(classes.tolist(), counts.tolist(), strict=True)
    )
    short = [
        f"{entry.label_name or entry.label} ({entry.kept_rows:,} of {floor:,})"
        for entry, floor in zip(summaries, draft.floor[first].tolist(), strict=True)
        if entry.kept_rows < min(floor, entry.rows)
    ]
    floor_note = [f"below the floor, for other reasons: {first_few(short)}."] if short else []
    return Selection(
        run=run,
        positions=positions,
        indices=rows.index[positions],
        ids=tuple(rows.ids.take(positions).to_pylist()),
        labels=labels[positions],
        relabelled=int((labels[positions] != rows.labels[positions]).sum()),
        dropped=dict(zip(rows.ids.take(drops).to_pylist(), reasons, strict=True)),
        classes=summaries,
        notes=(*notes, *floor_note),
    )
