"""Label Studio tasks to review labels, and the labelling interface for them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Int

from vog.analysis.label_errors.verdict import Verdict
from vog.data.run_data import find_run_data
from vog.errors import ResultError
from vog.exports.form import PLANTED, ROOT, Form, FormOption
from vog.exports.image_paths import ImagePaths, image_files
from vog.exports.judged_labels import JudgedLabels
from vog.exports.labelled_rows import (
    LabelledRows,
    class_names,
    label_quality,
    labelled_rows,
    number_fields,
)
from vog.figures import example_reader
from vog.files.writing import as_json, write_text
from vog.result import Run
from vog.wording import option

# Label Studio serves the files below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT at this address.
_LOCAL_URL = "/data/local-files/?d="


def tasks(
    run: Run,
    judged: JudgedLabels,
    columns: Sequence[str] | None = None,
    root: str | Path | None = None,
    data: Any = None,
    url_prefix: str | None = None,
    count: int | None = None,
) -> list[dict[str, Any]]:
    """Return one task per row, the most suspicious labels first.

    The data of a task are its `image` or `text`, `id`, `index`, `given_label`, and scores as
    numbers, such as `vog_late` for `vog@late`. If there is a verdict on the labels, they
    have `label_quality` from 0, certainly wrong, to 1; otherwise the hardest rows come first. The
    output of the last checkpoint is a prediction: Label Studio takes annotated tasks for done.

    Args:
        run: a run of image files or of texts.
        judged: the verdict on its labels.
        columns: scores, stored or derived; by default those over all checkpoints.
        root: the folder of the images, or the `.npz` of the texts, if they have moved.
        data: for texts, the dataset that was scored, or `file.py:function` that returns it.
        url_prefix: the address that the path of an image below its folder is appended to. By
            default Label Studio serves local files, with the parent of that folder as its root.
        count: return only the first N tasks; by default all.

    Raises:
        ResultError: the examples are neither image files nor texts, or a column is no score.
    """
    verdict = judged.verdict
    scores = number_fields(run, columns, verdict)
    order = _order(run, verdict)[:count]
    rows = labelled_rows(run)
    kind, contents = _example_contents(run, rows, order, root, data, url_prefix)
    version = _model_version(run)
    return [
        {
            "data": {
                kind: content,
                "id": rows.ids[row],
                "index": rows.index[row],
                "given_label": rows.given_labels[row] or "",
                **{name: values[row] for name, values in scores.items()},
            },
            "predictions": _predictions(rows, row, version),
        }
        for row, content in zip(order.tolist(), contents, strict=True)
    ]


def interface(run: Run, kind: str) -> str:
    """Return the labelling interface as XML: the example, its label, and the classes to choose.

    Args:
        run: the run with the names of the classes.
        kind: `image` or `text`.
    """
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, kind.capitalize(), name="example", value=f"${kind}")
    ElementTree.SubElement(view, "Header", value="Given label")
    ElementTree.SubElement(view, "Header", value="$given_label")
    choices = ElementTree.SubElement(
        view, "Choices", name="label", toName="example", choice="single", showInline="true"
    )
    for name in class_names(run).values():
        ElementTree.SubElement(choices, "Choice", value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def write_label_studio(
    run: Run, path: Path, columns: Sequence[str] | None, judged: JudgedLabels, **options: Any
) -> int:
    """Write the tasks as JSON and the interface beside them; return the number of tasks."""
    task_list = tasks(run, judged, columns, **options)
    kind = "text" if task_list and "text" in task_list[0]["data"] else "image"
    write_text(_interface_path(path), interface(run, kind))
    write_text(path, as_json(task_list))
    return len(task_list)


def _interface_path(path: Path) -> Path:
    """Return the file of the labelling interface, beside that of the tasks."""
    return path.with_suffix(".xml")


def _order(run: Run, verdict: Verdict | None) -> Int[np.ndarray, "n"]:
    """Return the rows: lowest label quality first, or hardest first without a verdict; NaN last."""
    key = -run.hardness(run.default_column) if verdict is None else label_quality(verdict)
    return np.argsort(key, kind="stable")


def _example_contents(
    run: Run,
    rows: LabelledRows,
    order: Int[np.ndarray, "few"],
    root: str | Path | None,
    data: Any,
    url_prefix: str | None,
) -> tuple[str, list[str]]:
    """Return `image` or `text`, and the address or the text of each example."""
    run_data = find_run_data(run, root)
    if data is None and (run_data is None or run_data.source.form == "files"):
        files = image_files(run, root, "Label Studio")
        prefix = f"{_LOCAL_URL}{quote(files.folder.name)}/" if url_prefix is None else url_prefix
        return "image", [prefix + quote(_path_below_root(files, files.names[row])) for row in order]
    read_example = example_reader.reader(run, None if root is None else Path(root), data)
    texts: list[str] = []
    for row in order.tolist():
        text = read_example(rows.index[row], rows.ids[row])
        if not isinstance(text, str):
            raise ResultError(
                f"Label Studio shows image files and texts, and the example {rows.ids[row]!r} of "
                f"{run.folder} is neither. Write each as a file named by its id, and give their "
                f"folder as {option('root')}."
            )
        texts.append(text)
    return "text", texts


def _path_below_root(files: ImagePaths, name: str) -> str:
    """Return the path of an image relative to the folder that is served."""
    path = Path(os.path.normpath(files.folder / name))
    if not path.is_relative_to(files.folder):
        raise ResultError(
            f"{name} is not below {files.folder}, which Label Studio serves. Give a folder that "
            f"all images are below as {option('root')}, and ids that are relative to it."
        )
    return path.relative_to(files.folder).as_posix()


def _predictions(rows: LabelledRows, row: int, version: str) -> list[dict[str, Any]]:
    predicted, confidence = rows.predicted_labels[row], rows.confidence[row]
    if predicted is None:
        return []
    choice = {
        "from_name": "label",
        "to_name": "example",
        "type": "choices",
        "value": {"choices": [predicted]},
    }
    return [{"model_version": version, "score": confidence, "result": [choice]}]


def _model_version(run: Run) -> str:
    """Return the name of the last checkpoint, which made the predictions."""
    steps = [checkpoint.get("step") for checkpoint in run.question.get("checkpoints", [])]
    return f"checkpoint {steps[-1]}" if steps else "last checkpoint"


LABEL_STUDIO = Form(
    "label-studio",
    (".json", ".xml"),
    write_label_studio,
    (
        ROOT,
        PLANTED,
        FormOption("data", None, "For texts: the dataset, or `file.py:function` that returns it."),
        FormOption(
            "url_prefix",
            str,
            "For label-studio: the text before the path of each image. Default: "
            "/data/local-files/?d=FOLDER/, where FOLDER is the name of the folder of the images.",
        ),
        FormOption(
            "count",
            int,
            "For label-studio: write only N, the likeliest errors first.",
            minimum=1,
        ),
    ),
    optional_verdict=True,
    after=lambda run, out: [f"{_interface_path(out)}: the labelling interface"],
)
