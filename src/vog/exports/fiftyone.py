"""A FiftyOne dataset as JSON, for `fiftyone.Dataset.from_json`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vog.exports.form import PLANTED, ROOT, Form
from vog.exports.image_paths import image_files
from vog.exports.judged_labels import JudgedLabels
from vog.exports.labelled_rows import class_names, labelled_rows, number_fields
from vog.files.writing import as_json, write_text
from vog.result import Run

_FIELD = "fiftyone.core.fields."
_CLASS = f"{_FIELD}EmbeddedDocumentField(fiftyone.core.labels.Classification)"


def dataset(
    run: Run,
    judged: JudgedLabels,
    columns: Sequence[str] | None = None,
    root: str | Path | None = None,
) -> dict[str, Any]:
    """Return the dataset with one sample per row, in the order of the data.

    A sample has an absolute `filepath`; the label as `ground_truth`; the prediction of the last
    checkpoint as `prediction`, with its confidence; `vog_id` and `vog_index`; and one field per
    score, such as `vog_late` for `vog@late`. If there is a verdict on the labels, it also
    has `label_quality` from 0, certainly wrong, to 1, and the tag `suspect`. Missing and infinite
    values are null; the `:rank` of an infinite value is a number.

    Args:
        run: a run of image files.
        judged: the verdict on its labels.
        columns: scores, stored or derived; by default those over all checkpoints.
        root: the folder of the images, if they have moved.

    Raises:
        ResultError: the data are no image files, or a column is no score.
    """
    images = image_files(run, root, "FiftyOne")
    verdict = judged.verdict
    scores = number_fields(run, columns, verdict)
    suspect = [False] * run.rows if verdict is None else verdict.suspect.tolist()
    rows = labelled_rows(run)
    samples = [
        {
            "filepath": path,
            "tags": ["suspect"] if is_suspect else [],
            "vog_id": name,
            "vog_index": index,
            "ground_truth": _classification(given_label),
            "prediction": _classification(predicted_label, confidence),
            **dict(zip(scores, values, strict=True)),
        }
        for path, is_suspect, name, index, given_label, predicted_label, confidence, *values in zip(
            *(images.paths, suspect, rows.ids, rows.index),
            *(rows.given_labels, rows.predicted_labels, rows.confidence, *scores.values()),
            strict=True,
        )
    ]
    return {
        "name": run.folder.resolve().name,
        "media_type": "image",
        "sample_fields": _field_types(list(scores)),
        "default_classes": list(class_names(run).values()),
        "samples": samples,
    }


def write_fiftyone(
    run: Run,
    path: Path,
    columns: Sequence[str] | None,
    judged: JudgedLabels,
    root: str | Path | None = None,
) -> int:
    """Write the dataset as JSON, and return the number of samples."""
    content = dataset(run, judged, columns, root)
    write_text(path, as_json(content))
    return len(content["samples"])


def _field_types(scores: list[str]) -> dict[str, str]:
    """Return the types of the fields, which the importer does not infer."""
    return {
        "vog_id": f"{_FIELD}StringField",
        "vog_index": f"{_FIELD}IntField",
        "ground_truth": _CLASS,
        "prediction": _CLASS,
    } | dict.fromkeys(scores, f"{_FIELD}FloatField")


def _classification(name: str | None, confidence: float | None = None) -> dict[str, Any] | None:
    if name is None:
        return None
    optional = {} if confidence is None else {"confidence": confidence}
    return {"_cls": "Classification", "tags": [], "label": name, **optional}


FIFTYONE = Form("fiftyone", (".json",), write_fiftyone, (ROOT, PLANTED), optional_verdict=True)
