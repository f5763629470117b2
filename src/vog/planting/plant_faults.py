"""`plant`: writes a folder with planted data and its record, complete or not at all."""

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
from vog.data.sources import absolute_spec
from vog.errors import DataError, ResultError
from vog.files.file_names import expanded
from vog.files.output_paths import refuse_address
from vog.files.whole_folder import was_written, whole_folder
from vog.files.writing import as_json
from vog.planting.ambiguous import boundary_flip_rule
from vog.planting.assignment import ADDED, PlannedFault, PlantingTarget, draw, fault_counts
from vog.planting.choose_target import Planter, choose_planter
from vog.planting.clusters import cluster_flip_rule
from vog.planting.confusion_matrix import read_confusion
from vog.planting.corruptions import CORRUPTIONS
from vog.planting.flips import CLUSTER, UNIFORM, FlipRule
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
from vog.wording import option


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
    """Plant known faults into a copy of data, to measure which score finds them.

    The originals are only read. The same seed plants the same faults, byte for byte.

    Args:
        data: an image folder, a list file, an `.npz`, `(inputs, labels)`, or `file.py:function`
            that returns a dataset, which is not copied.
        out: the folder to make; it appears complete or not at all.
        root: for a list file, the folder that its paths are relative to.
        flip: the share of examples, in [0, 1], that get the label of another class.
        duplicate: the share of examples, in [0, 1], that are added again, slightly altered.
        corrupt: the share of examples, in [0, 1], that are made hard to see.
        outside: the number of added examples of no class, as a share of the data, in [0, 1].
        threshold: move 1 of (classes + 1) examples into a class of their own, as AUM needs.
        flip_kind: `uniform`, to any other class; `class`, a part of one class to one other class;
            `boundary`, ambiguous examples to their runner-up; `cluster`, groups that look alike.
        confusion: for `uniform`, a file with the weight of each flip; default: equal weights.
        run: for `boundary`, an earlier run of the same data, which says what is ambiguous.
        corruptions: some of `noise`, `blur` and `occlusion`, used equally often.
        outside_from: data to take examples of no class from; default: make them from `data`.
        seed: decides everything that is random; a whole number from 0 on.
        link: hard-link unchanged image files where possible, instead of copying them.
        quiet: show no progress.

    Returns: the record; if `out` holds the same planting already, the existing one.

    Raises:
        DataError: the data or the settings cannot be used.
        ResultError: `out` holds something else, or the disk is too small.
    """
    refuse_address(out)
    out = expanded(out)
    _refuse_output_inside(data, out, "data")
    _refuse_output_inside(outside_from, out, "outside_from")
    shares = {FLIP: flip, DUPLICATE: duplicate, CORRUPT: corrupt, OUTSIDE: outside}
    spec = PlantingSpec(
        *(shares, threshold, flip_kind, confusion, run, tuple(corruptions), outside_from, seed)
    )
    spec.check()
    planter = choose_planter(data, root, outside_from, quiet)
    target, names = planter.target, planter.examples.label_names
    counts, methods = fault_counts(shares, target, threshold), spec.corruptions_for(target.is_image)
    weights = None if confusion is None else read_confusion(Path(confusion), target.classes, names)
    earlier_run = open_run(Path(run)) if isinstance(run, str | Path) else run
    question = {
        "vog": version("vog"),
        "data": _data_question(planter, data, root, sum(counts[kind] for kind in ADDED)),
        **spec.question_entries(methods),
        **({} if flip_kind == UNIFORM else {"flip_kind": flip_kind}),
        **({} if earlier_run is None else {"run": digest_of(as_json(earlier_run.question))[:16]}),
        "confusion": _source(confusion, None if weights is None else digest_of(weights)),
        "outside_from": _source(outside_from, planter.outside.digest if planter.outside else None),
    }
    existing = _existing_planting(out, question)
    if existing is not None:
        return existing
    planter.check(threshold)
    flips = _make_flips(flip_kind, planter, target, weights, earlier_run, seed, quiet)
    faults = draw(target, counts, methods, flips, seed)
    _refuse_small_disk(out, planter.bytes_needed(faults, link))
    return _write_folder(out, planter, faults, question, link, quiet)


def _write_folder(
    out: Path,
    planter: Planter,
    faults: Sequence[PlannedFault],
    question: Mapping[str, Any],
    link: bool,
    quiet: bool,
) -> Planted:
    """Write everything into a temporary folder, which then gets the name `out`."""
    with whole_folder(out, "planting") as unfinished:
        with progress("planting", planter.steps(faults), quiet=quiet) as advance:
            plants = planter.write(unfinished, faults, question["seed"], link, advance)
        planted = Planted(json.loads(as_json(question)), tuple(plants))
        write_record(unfinished, planted)
    return planted


def _make_flips(
    kind: str,
    planter: Planter,
    target: PlantingTarget,
    weights: Float[np.ndarray, "c c"] | None,
    run: Run | None,
    seed: int,
    quiet: bool,
) -> FlipRule:
    if kind == BOUNDARY:
        assert run is not None, "`PlantingSpec.check` requires a run"
        return boundary_flip_rule(run, planter.examples, target.labels)
    return (
        cluster_flip_rule(planter.examples, seed, quiet)
        if kind == CLUSTER
        else FlipRule(kind, weights)
    )


def _refuse_output_inside(data: Any, out: Path, name: str) -> None:
    """Raise if the folder to make lies inside the data, which would include it when read again."""
    if not isinstance(data, str | Path):
        return
    folder = expanded(data).resolve()
    if folder.is_dir() and out.resolve() != folder and out.resolve().is_relative_to(folder):
        raise DataError(
            f"{option('out', str(out))} is inside of {option(name, str(data))}, and would become a "
            f"class of these data. Give a folder beside it."
        )


def _data_question(
    planter: Planter, data: Any, root: str | Path | None, added: int
) -> dict[str, str | int | None]:
    original_count = len(planter.examples)
    return {
        "spec": None if isinstance(data, tuple) else absolute_spec(data),
        "root": None if root is None else absolute_spec(root),
        "digest": planter.examples.digest,
        "examples": original_count + added,
        "was": original_count,
        "planted": planter.output_name,
    }


def _source(spec: str | Path | None, digest: str | None) -> dict[str, str | None] | None:
    return None if spec is None else {"spec": absolute_spec(spec), "digest": digest}


def _existing_planting(out: Path, question: Mapping[str, Any]) -> Planted | None:
    """Return the record in `out` if the same was planted there, or None if nothing is there.

    Raises:
        ResultError: something else is there.
    """
    if not was_written(out, QUESTION):
        return None
    record = load_planting_record(out, need_all_keys=True)
    old, new = _compared_fields(record.question), _compared_fields(json.loads(as_json(question)))
    changed = ", ".join(key for key in {**new, **old} if old.get(key) != new.get(key))
    if changed:
        raise ResultError(f"{out} was planted with different {changed}. Use a new {option('out')}.")
    data_name = str(question["data"]["planted"]).partition(":")[0]
    if not (out / data_name).exists():
        raise ResultError(f"{out} has lost {data_name}. Remove the folder, and plant again.")
    return record


def _compared_fields(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that two plantings must share to be the same."""
    data = {key: question["data"].get(key) for key in ("spec", "root", "digest")}
    return {key: value for key, value in question.items() if key != "vog"} | {"data": data}


def _refuse_small_disk(out: Path, needed: int) -> None:
    existing = next(folder for folder in out.absolute().parents if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ResultError(
            f"{out} needs about {math.ceil(needed / 1e6):,} MB, and {free // 1_000_000:,} MB are "
            f"free. Free some space, or give another {option('out')}."
        )
