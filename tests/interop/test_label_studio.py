"""The SDK of Label Studio finds nothing wrong with the tasks and the labelling interface."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import TaskValue

from scored import NAMES, Scored
from vog.exports import export
from vog.result import Run


@pytest.fixture(scope="module")
def written(pictures: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "tasks.json"
    export(pictures, path, "label-studio", url_prefix="/data/local-files/?d=digits/")
    return path


@pytest.fixture(scope="module")
def tasks(written: Path) -> list[dict[str, Any]]:
    return json.loads(written.read_text())


@pytest.fixture(scope="module")
def interface(written: Path) -> LabelInterface:
    return LabelInterface(written.with_suffix(".xml").read_text())


def refused(interface: LabelInterface, task: dict[str, Any]) -> list[Any]:
    """What is wrong with a task and its predictions."""
    if not interface.validate_task({"data": task["data"]}):
        return ["task"]
    said = [interface.validate_prediction(one, return_errors=True) for one in task["predictions"]]
    return [error for errors in said for error in errors]


def test_the_interface_has_the_classes(interface: LabelInterface) -> None:
    interface.validate()
    assert interface.get_control("label").labels == NAMES
    assert interface.get_object("example").tag == "Image"


def test_every_task_is_valid(interface: LabelInterface, tasks: list[dict[str, Any]]) -> None:
    assert len(tasks) == 200
    for task in tasks:
        assert refused(interface, task) == []
        parsed = TaskValue(**task)
        assert parsed.predictions
        assert parsed.predictions[0].model_version == "checkpoint 6"
        interface.load_task(task["data"])


def test_the_check_can_fail(interface: LabelInterface, tasks: list[dict[str, Any]]) -> None:
    spoiled = json.loads(json.dumps(tasks[0]))
    spoiled["predictions"][0]["result"][0]["value"]["choices"] = ["digit 10"]
    assert refused(interface, spoiled)
    assert refused(interface, {"data": {"id": "1"}, "predictions": []})


def test_the_most_suspicious_come_first(tasks: list[dict[str, Any]]) -> None:
    quality = [task["data"]["label_quality"] for task in tasks]
    assert quality == sorted(quality)
    first = tasks[0]
    assert (
        first["data"]["given_label"] != first["predictions"][0]["result"][0]["value"]["choices"][0]
    )
    assert first["data"]["image"].startswith("/data/local-files/?d=digits/digit%20")


def test_texts(scored: Scored, tmp_path: Path) -> None:
    texts = [f"a text about {number}" for number in scored.shown]
    np.savez(tmp_path / "texts.npz", texts=texts, inputs=scored.inputs)
    export(scored.run, tmp_path / "t.json", "label-studio", root=tmp_path / "texts.npz", count=20)
    interface = LabelInterface((tmp_path / "t.xml").read_text())
    interface.validate()
    tasks = json.loads((tmp_path / "t.json").read_text())
    assert len(tasks) == 20
    assert [refused(interface, task) for task in tasks] == [[]] * 20
    assert tasks[0]["data"]["text"] == texts[tasks[0]["data"]["index"]]
