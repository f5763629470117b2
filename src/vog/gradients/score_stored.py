"""Make a run from stored gradients, with the scores that need no more than gradients."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vog import checkpoints, scores
from vog.checkpoints import Stage, StagesSpec
from vog.data.examples import RowNumbers, digest_of
from vog.errors import ResultError
from vog.files.output_paths import output_path
from vog.gradients.layout import (
    StoredCheckpoint,
    StoredNotes,
    observe_stored,
    stored_checkpoints,
    stored_notes,
)
from vog.observation import Signal
from vog.progress import progress
from vog.result import Run, open_run, parts
from vog.result.data_location import places_to_store
from vog.result.part_writer import Clock, PartBuffer
from vog.result.rows import RowBlock
from vog.sweep import split_half
from vog.sweep.accumulator import Accumulator, ScorePlan
from vog.sweep.block import meanings
from vog.sweep.executor import batches_of
from vog.sweep.split_half import halved_rows
from vog.tasks import CLASSIFICATION
from vog.wording import option

_SCORES = scores.choose_scores(
    [s.name for s in scores.SCORES.values() if s.needs == {Signal.INPUT_GRADIENT}]
)
_BATCH = 64
_ROWS_PER_PART = 8 * _BATCH  # about half a second of reading files


def import_stored(
    folder: str | Path,
    out: str | Path,
    stages: StagesSpec = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> Run:
    """Score stored gradients in batches, and return the run.

    Args:
        folder: holds one `weight_STEP` folder a checkpoint.
        out: the run folder; continued if it answers the same question.
        stages: as for `vog.score`.
        overwrite: start again if `out` answers a different question.
        quiet: show no progress.

    Raises:
        DataError: the folder does not have the layout, or a file is missing or damaged.
        StageError: there are too few checkpoints.
        DifferentQuestionError or ResultError: `out` answers a different question, or is `folder`.
    """
    folders = stored_checkpoints(Path(folder))
    min_checkpoints = max(score.min_checkpoints for score in _SCORES)
    cut_stages = checkpoints.cut_stages(stages, len(folders), min_checkpoints)
    count = len(folders[0].labels)
    notes = stored_notes(Path(folder), count)
    out, clock = output_path(out), Clock()
    if out.resolve() == Path(folder).resolve():
        raise ResultError(f"{out} holds the gradients. Give a different folder as {option('out')}.")
    with parts.writing_session(
        out, question_of_stored(folders, cut_stages, Path(folder), notes, out), overwrite
    ) as sink:
        todo = sink.todo()
        finished_rows = count - sum(map(len, todo))
        buffer = PartBuffer(sink, todo, clock, meanings(_SCORES, cut_stages), notes.label_names)
        with progress("importing", count, finished_rows, quiet) as advance:
            for rows in [batch for cell in todo for batch in batches_of(cell, _BATCH)]:
                buffer.add(_rows(folders, cut_stages, rows, notes))
                advance(len(rows))
    return open_run(out)


def question_of_stored(
    folders: list[StoredCheckpoint],
    stages: tuple[Stage, ...],
    folder: Path,
    notes: StoredNotes,
    out: Path | None = None,
) -> dict[str, Any]:
    """Return the question of a run that is made of stored gradients; `out` is its folder."""
    where = {"gradients": str(folder)}
    ids = [] if isinstance(notes.ids, RowNumbers) else notes.ids
    predictions = [stored.predictions for stored in folders]
    return {
        "vog": version("vog"),
        "checkpoints": [{"step": stored.step} for stored in folders],
        "stages": {stage.name: [stage.start, stage.stop] for stage in stages},
        "data": {
            "examples": len(folders[0].labels),
            "digest": digest_of(
                folders[0].labels, *predictions, *(stored.stamps for stored in folders), *ids
            ),
            "label_names": notes.label_names,
            "transform": notes.question.get("data", {}).get("transform"),
            # The layout of a sample numbers its examples from 0, not by rows of the data.
            **({"part": True} if notes.question.get("data", {}).get("part") else {}),
            **({"exif": True} if notes.question.get("data", {}).get("exif") else {}),
        },
        "target": notes.question.get("target", "as stored"),
        "scores": [{"name": score.name} for score in _SCORES],
        "halved_rows": split_half.ROWS,
        "rows_per_part": _ROWS_PER_PART,
        "where": where | ({} if out is None else places_to_store(where, out)),
    }


def _rows(
    folders: list[StoredCheckpoint], stages: tuple[Stage, ...], rows: range, notes: StoredNotes
) -> RowBlock:
    labels = folders[0].labels[rows.start : rows.stop]
    halved = halved_rows(np.arange(rows.start, rows.stop), len(folders[0].labels))
    accumulator = Accumulator(ScorePlan(stages, _SCORES, CLASSIFICATION), halved)
    for checkpoint in range(len(folders)):
        accumulator.add(observe_stored(folders, checkpoint, rows))
    columns = accumulator.columns()
    problems = dict.fromkeys(columns.undefined, "not finite: stored gradient")
    problems |= {i: notes.problems[row] for i, row in enumerate(rows) if row in notes.problems}
    return RowBlock(
        rows,
        notes.ids[rows.start : rows.stop],
        labels,
        np.arange(len(rows)),
        {s.name: folders[s.stop - 1].predictions[rows.start : rows.stop] for s in stages},
        {},
        columns.scores,
        problems,
    )
