"""Which examples to train with: the hard, the right and the needed ones."""

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
from vog.result import Run
from vog.result.planting_record import Planted

_LIMIT, _CLASS_LIMIT = 0.2, 0.5  # shares that are dropped as suspects without asking


@dataclass(frozen=True)
class ClassKept:
    """What is left of one class.

    Attributes:
        label: its number, after relabelling; None for the rows without a label.
        name: where the classes have names.
        rows: how many there are.
        kept: how many of them are kept.
        dropped: by reason, how many are not.
    """

    label: int | None
    name: str | None
    rows: int
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Selection:
    """The rows of a run that are kept, in the order of the data.

    Attributes:
        run: what was selected from.
        positions: of the kept rows, in the run's table.
        indices: their numbers in the data.
        ids: their names.
        labels: their classes, after relabelling; -1 where there is none.
        relabelled: how many of them have another label than the data.
        dropped: by id, why each other row is not kept: one of `REASONS`.
        classes: what is left of each class.
        notes: where what was asked could not be had, in words.
    """

    run: Run
    positions: Int[np.ndarray, "kept"]
    indices: Int[np.ndarray, "kept"]
    ids: tuple[str, ...]
    labels: Int[np.ndarray, "kept"]
    relabelled: int
    dropped: Mapping[str, str]
    classes: tuple[ClassKept, ...]
    notes: tuple[str, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows are dropped for each reason, of those that occur."""
        counts = Counter(self.dropped.values())
        return {reason: counts[reason] for reason in REASONS if counts[reason]}

    def save(
        self,
        path: str | Path,
        form: str | None = None,
        root: str | Path | None = None,
        data: str | Path | None = None,
    ) -> Path:
        """Write the kept rows to a file, which is replaced only when the new one is whole.

        Args:
            path: the file.
            form: `ids` or `indices`, one a line (indices as int64 where the file ends in .npy);
                `npy`, the indices so; `list`, lines of `relative/path label`; `npz`, the `.npz`
                that was scored with these rows alone. By default what the file's ending says,
                or `list` for image files and `indices` for everything else.
            root: the folder that the paths of a list are relative to; by default that of the data.
            data: the `.npz`, if it has moved.

        Raises:
            ResultError: nothing is kept, no such form, the rows cannot be written so, or the
                data are not those that were scored.
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

    What is asked is applied in this order: marks, suspects, problems, redundant examples, and
    last the share by a column. Amounts are shares of all rows of the run ("70%", "0.7" or 0.7) or
    numbers of rows (1000). `keep_hardest="70%"` says how many rows are left in the end: rows that
    another reason drops count as dropped. Equal values are drawn by `seed`, whatever their order.

    Args:
        run: rows without a value in the column are kept, and count as kept.
        keep_hardest: so many rows are kept, rounded up, the hardest first.
        drop_easiest: the same from the other side: 30 % here are 70 % there.
        keep_easiest: so many rows are kept, the easiest first.
        by: the column of these shares; by default `run.default_column`, VoG within the class: raw
            scores of some kinds drop whole classes.
        floor: at least so many of each class, or this share of it, are kept, first of all the
            wanted ones, and other classes give up theirs. Suspects, marked rows and problems are
            dropped all the same.
        drop_suspects: the labels that `vog.suspects` takes for wrong, but for rows that people
            marked `keep`, or that are relabelled.
        planted: the record of planting or its folder, if the run is of planted data, for that
            verdict.
        stage: the stage that says what is suspicious; None for the rule of `vog.suspects`.
        drop_redundant: so many of the examples that are right at every checkpoint, the easiest by
            the mean of all scores first.
        drop_marked: what people marked `drop` in the viewer.
        relabel_marked: what people marked `relabel` there has the label that they chose.
        drop_problems: the rows that could not be read or scored.
        seed: of the draw among equal values.
        yes: drop the suspects even where they are more than a fifth of all rows, or more than half
            of a class.

    Raises:
        ResultError: so many suspects, without `yes`; nothing is asked, or what contradicts itself;
            an amount that is none; no such column; the run lacks what the suspects are told by.
    """
    amounts = {
        "--keep-hardest": keep_hardest,
        "--drop-easiest": drop_easiest,
        "--keep-easiest": keep_easiest,
    }
    share = parse_share(run, amounts, by)
    redundant = parse_amount(drop_redundant, "--drop-redundant", run.rows)
    least = parse_amount(floor, "--floor", None)
    flags = (drop_suspects, drop_marked, relabel_marked, drop_problems)
    if planted is not None and not drop_suspects:
        raise ResultError("--planted is for the verdict of --drop-suspects, which is not asked.")
    if stage is not None and not drop_suspects:
        raise ResultError("--stage is for the verdict of --drop-suspects, which is not asked.")
    if share is None and redundant is None and not any(flags):
        raise ResultError(
            f"nothing is asked. Give at least one of {', '.join(amounts)}, --drop-suspects, "
            f"--drop-redundant, --drop-marked, --relabel-marked, --drop-problems."
        )
    rows = read_rows(run, None if share is None else share.column, seed)
    marks = read_marks(run, rows, drop_marked, relabel_marked, drop_suspects)
    draft = Draft(marks.labels, row_floors(least, marks.labels), np.full(run.rows, KEPT, np.int8))
    notes, draft = list(marks.notes), draft.without(marks.dropped, "marked")
    if drop_suspects:
        from vog.analysis.label_errors.suspects import suspects  # scikit-learn takes a second

        verdict = suspects(run, planted, stage=stage)
        mask = verdict.suspect
        if verdict.why_stage is not None:
            notes.append(f"suspects by stage {verdict.stage}: {verdict.why_stage}.")
        if verdict.why is not None:
            notes.append(f"no suspects: how many labels are wrong cannot be told: {verdict.why}.")
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
    """Nothing where the suspects are few; a verdict that takes so many is seldom right."""
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
            f"--drop-suspects would drop {', and '.join(parts)}. So many wrong labels are rarer "
            f"than a verdict that is wrong: look at some of them first (vog suspects, vog view). "
            f"To drop them all the same: --yes. Nothing was written."
        )


def _trusted_note(count: int) -> list[str]:
    return [f"{count:,} suspects stay, marked keep or relabelled by people."] if count else []


def _make_selection(run: Run, rows: RowTable, draft: Draft, notes: Sequence[str]) -> Selection:
    labels, positions, drops = draft.labels, np.flatnonzero(draft.kept), np.flatnonzero(~draft.kept)
    reasons = [REASONS[code] for code in draft.reason[drops].tolist()]
    classes, first, code = np.unique(labels, return_index=True, return_inverse=True)
    counts = np.zeros((len(classes), len(REASONS) + 1), np.int64)
    np.add.at(counts, (code, draft.reason), 1)  # the last column is of those kept
    summaries = tuple(
        ClassKept(
            None if label < 0 else label,
            class_name(run, label),
            sum(row),
            row[-1],
            {reason: count for reason, count in zip(REASONS, row, strict=False) if count},
        )
        for label, row in zip(classes.tolist(), counts.tolist(), strict=True)
    )
    short = [
        f"{entry.name or entry.label} ({entry.kept:,} of {floor:,})"
        for entry, floor in zip(summaries, draft.floor[first].tolist(), strict=True)
        if entry.kept < min(floor, entry.rows)
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
