"""From what is asked to a folder with planted data and its record, whole or not at all."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from vog.data.examples import digest_of
from vog.data.sources import absolute
from vog.errors import DataError, ResultError
from vog.files.file_names import expanded
from vog.files.output_paths import refuse_address
from vog.files.whole_folder import was_written, whole_folder
from vog.files.writing import as_json
from vog.planting.ambiguous import boundary
from vog.planting.assignment import ADDED, PlannedFault, PlantingTarget, counts_of, draw
from vog.planting.choose_target import Origin, origin_of
from vog.planting.clusters import clusters
from vog.planting.confusion_matrix import read_confusion
from vog.planting.corruptions import CORRUPTIONS
from vog.planting.flips import CLUSTER, UNIFORM, Flips
from vog.planting.spec import PlantingSpec
from vog.progress import progress
from vog.result import Run, open_run
from vog.result.planting_record import (
    BOUNDARY,
    CORRUPT,
    DUPLICATE,
    FLIP,
    OUTSIDE,
    QUESTION,
    Planted,
    load_planting_record,
    write_record,
)


def plant(
    data: Any,
    out: str | Path,
    *,
    root: str | Path | None = None,
    flip: float = 0.0,
    duplicate: float = 0.0,
    corrupt: float = 0.0,
    outside: float = 0.0,
    threshold: bool = False,
    flip_kind: str = UNIFORM,
    confusion: str | Path | None = None,
    run: Run | str | Path | None = None,
    corruptions: Sequence[str] = CORRUPTIONS,
    outside_from: str | Path | None = None,
    seed: int = 0,
    link: bool = False,
    quiet: bool = False,
) -> Planted:
    """Plant known faults into a copy of data, so that it shows which score finds them.

    The originals are read alone. The same seed plants the same, byte for byte.

    Args:
        data: an image folder, a list file, an `.npz`, `(inputs, labels)`, or `file.py:function`
            that returns a dataset, of which nothing is copied.
        out: the folder to make; it is there whole or not at all.
        root: for a list file, the folder that its paths are relative to.
        flip: the share of examples, in [0, 1], that get the label of another class.
        duplicate: the share that are added again, nearly the same.
        corrupt: the share that are made hard to see.
        outside: the share that are added although they are of no class.
        threshold: move 1 of (classes + 1) into a class of their own, as AUM needs.
        flip_kind: `uniform`, any other class; `class`, a part of one class as one other;
            `boundary`, ambiguous examples as their runner-up; `cluster`, groups that look alike.
        confusion: of `uniform`, a file with the weight of each flip; default: all alike.
        run: of `boundary`, an earlier run of the same data, which says what is ambiguous.
        corruptions: of `noise`, `blur` and `occlusion`; equally many of each.
        outside_from: where those of no class come from; default: made from the data.
        seed: decides on everything, a whole number from 0 on.
        link: link image files that are not changed, where the disk can, instead of copying.
        quiet: show no progress.

    Returns: the record. Where `out` holds the same planting already, that is returned.

    Raises:
        DataError: the data, or what is asked of them, make no sense.
        ResultError: `out` holds something else, or the disk is too small.
    """
    refuse_address(out)
    out = expanded(out)
    _refuse_inside(data, out, "--data")
    _refuse_inside(outside_from, out, "--outside-from")
    shares = {FLIP: flip, DUPLICATE: duplicate, CORRUPT: corrupt, OUTSIDE: outside}
    asked = PlantingSpec(
        *(shares, threshold, flip_kind, confusion, run, tuple(corruptions), outside_from, seed)
    )
    asked.check()
    origin = origin_of(data, root, outside_from, quiet)
    ground, names = origin.ground, origin.examples.label_names
    counts, hows = counts_of(shares, ground, threshold), asked.hows(ground.is_image)
    odds = None if confusion is None else read_confusion(Path(confusion), ground.classes, names)
    earlier = open_run(Path(run)) if isinstance(run, str | Path) else run
    question = {
        "vog": version("vog"),
        "data": _noted_data(origin, data, root, sum(counts[kind] for kind in ADDED)),
        **asked.noted(hows),
        **({} if flip_kind == UNIFORM else {"flip_kind": flip_kind}),
        **({} if earlier is None else {"run": digest_of(as_json(earlier.question))[:16]}),
        "confusion": _noted(confusion, None if odds is None else digest_of(odds)),
        "outside_from": _noted(outside_from, origin.others.digest if origin.others else None),
    }
    finished = _finished(out, question)
    if finished is not None:
        return finished
    origin.check(threshold)
    flips = _flips(flip_kind, origin, ground, odds, earlier, seed, quiet)
    changes = draw(ground, counts, hows, flips, seed)
    _refuse_small_disk(out, origin.bytes_needed(changes, link))
    return _made(out, origin, changes, question, link, quiet)


def _made(
    out: Path,
    origin: Origin,
    changes: Sequence[PlannedFault],
    question: Mapping[str, Any],
    link: bool,
    quiet: bool,
) -> Planted:
    """Everything beside `out`, which then gets its name."""
    with whole_folder(out, "planting") as unfinished:
        with progress("planting", origin.steps(changes), quiet=quiet) as tell:
            plants = origin.write(unfinished, changes, question["seed"], link, tell)
        planted = Planted(json.loads(as_json(question)), tuple(plants))
        write_record(unfinished, planted)
    return planted


def _flips(
    kind: str,
    origin: Origin,
    ground: PlantingTarget,
    odds: Float[np.ndarray, "c c"] | None,
    run: Run | None,
    seed: int,
    quiet: bool,
) -> Flips:
    if kind == BOUNDARY:
        assert run is not None, "that is checked"
        return boundary(run, origin.examples, ground.labels)
    return clusters(origin.examples, seed, quiet) if kind == CLUSTER else Flips(kind, odds)


def _refuse_inside(data: Any, out: Path, option: str) -> None:
    """Nothing where a folder may be made that the next reading of the data does not find."""
    if not isinstance(data, str | Path):
        return
    folder = expanded(data).resolve()
    if folder.is_dir() and out.resolve() != folder and out.resolve().is_relative_to(folder):
        raise DataError(
            f"--out {out} is inside of {option} {data}, and would be a class of them. Give a "
            f"folder beside it."
        )


def _noted_data(
    origin: Origin, data: Any, root: str | Path | None, added: int
) -> dict[str, str | int | None]:
    was = len(origin.examples)
    return {
        "spec": None if isinstance(data, tuple) else absolute(data),
        "root": None if root is None else absolute(root),
        "digest": origin.examples.digest,
        "examples": was + added,
        "was": was,
        "planted": origin.written,
    }


def _noted(spec: str | Path | None, digest: str | None) -> dict[str, str | None] | None:
    return None if spec is None else {"spec": absolute(spec), "digest": digest}


def _finished(out: Path, question: Mapping[str, Any]) -> Planted | None:
    """What was planted there before, if it is the same.

    Raises:
        ResultError: something else is there.
    """
    if not was_written(out, QUESTION):
        return None
    found = load_planting_record(out, whole=True)
    then, now = _told_apart(found.question), _told_apart(json.loads(as_json(question)))
    changed = [key for key in {**now, **then} if then.get(key) != now.get(key)]
    if changed:
        raise ResultError(f"{out} was planted with other {', '.join(changed)}. Give another --out.")
    written = str(question["data"]["planted"]).partition(":")[0]
    if not (out / written).exists():
        raise ResultError(f"{out} has lost {written}. Remove the folder, and plant again.")
    return found


def _told_apart(question: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two plantings different, and does not follow from the rest."""
    data = {key: question["data"].get(key) for key in ("spec", "root", "digest")}
    return {key: value for key, value in question.items() if key != "vog"} | {"data": data}


def _refuse_small_disk(out: Path, needed: int) -> None:
    existing = next(folder for folder in out.absolute().parents if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ResultError(
            f"{out} needs about {math.ceil(needed / 1e6):,} MB, and {free // 1_000_000:,} MB are "
            f"free. Free some space, or give another --out."
        )
