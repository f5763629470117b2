"""Which task outputs and labels show, what is refused, and what its runs hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import vog
from plain_models import save, states_of
from vog.errors import DataError, ModelError, ResultError, VogError
from vog.tasks import choose_task
from vog.tasks.choose_task import task_of_name

Z = torch.zeros
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(40, 6)).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "labels", "name"),
    [
        ((8, 3), [0, 2], "classification"),
        ((8, 3), [0.0, 2.0], "classification"),
        ((8,), [0, 1], "binary"),
        ((8, 1), [0.0, 1.0], "binary"),
        ((8, 1), [[0], [1]], "binary"),
        ((8, 1), [0.5, 1.0], "regression"),
        ((8,), [0.5, np.nan], "regression"),
        ((8, 2), [[0.5, 1.0], [0.0, 1.0]], "regression"),
        ((8, 2), [[0, 1], [1, 1]], "multi-label"),
        ((8, 2), [[0.0, 1.0], [1.0, 1.0]], "multi-label"),
        ((8, 5, 3), [[0, -100, 2, 1, 1]], "tokens"),
        ((8, 3, 4, 4), np.zeros((2, 4, 4), int), "tokens"),
    ],
)
def test_what_outputs_and_labels_show(shape: tuple[int, ...], labels: Any, name: str) -> None:
    assert choose_task(Z(*shape), np.array(labels), is_labelled=True).name == name


def test_a_causal_language_model() -> None:
    labels = np.zeros((2, 5), int)
    assert choose_task(Z(8, 5, 3), labels, True, predicts_next_token=True).name == "next-token"


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((8, 1), [0, 5], "whole numbers such as 5, so the task is unknown. If they are amounts, "),
        ((8, 3), [0.5, 1.0], "labels are float64, such as 0.5; expected whole numbers, the index "),
        (
            (8, 3),
            [[0, 1]],
            r"has shape \(2,\) \(whole numbers\); expected one of 3 classes, a vector of 3",
        ),
        ((8, 5, 3), [0, 1], r"has one number \(whole numbers\); expected a class for each token"),
    ],
)
def test_what_is_ambiguous_or_no_task(shape: tuple[int, ...], labels: Any, message: str) -> None:
    with pytest.raises(VogError, match=message):
        choose_task(Z(*shape), np.array(labels), is_labelled=True)


def test_names_of_tasks() -> None:
    assert task_of_name("auto") is None
    with pytest.raises(ModelError, match=r"there is no such task. Did you mean 'regression'"):
        task_of_name("regresion")


class Tokens(nn.Module):
    """Logits of four classes for each of six numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 4)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.layer(numbers[..., None])


def outputs(count: int) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, count))


TOKEN_LABELS = RANDOM.integers(0, 4, (40, 6))
TOKEN_LABELS[:, 4:] = -100
TAGS = RANDOM.integers(0, 2, (40, 3))
CASES: dict[str, tuple[Any, Any]] = {
    "binary": (lambda: outputs(1), RANDOM.integers(0, 2, 40)),
    "multi-label": (lambda: outputs(3), TAGS),
    "regression": (lambda: outputs(1), RANDOM.normal(size=40)),
    "tokens": (Tokens, TOKEN_LABELS),
}


def score(name: str, folder: Path, **options: Any) -> vog.Run:
    build, labels = CASES[name]
    checkpoints = folder / "checkpoints"
    if not checkpoints.exists():
        folder.mkdir(exist_ok=True)
        save(states_of(build), checkpoints)
    data = (INPUTS, options.pop("labels", labels))
    return vog.score(build, checkpoints, data, folder / "run", scores="all", quiet=True, **options)


@pytest.mark.parametrize("name", list(CASES))
def test_a_run_says_its_task_and_continues(name: str, tmp_path: Path) -> None:
    run = score(name, tmp_path)
    assert run.question["task"] == name == run.task
    assert np.isfinite(run.values("vog@all")).all()
    assert np.isfinite(run.values("loss@all")).all()
    assert run.top(3)["index"].to_pylist()
    again = score(name, tmp_path / "again", task=name)
    assert again.table().equals(run.table())


@pytest.mark.parametrize("name", ["multi-label", "regression", "tokens"])
def test_what_needs_classes_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    run = score(name, tmp_path)
    assert not run.has_classes
    with pytest.raises(
        ResultError, match=f"a verdict on labels exists for classification alone.*{name}"
    ):
        vog.suspects(run)
    with pytest.raises(ResultError, match=f"the task {name} has no classes. Use 'vog@all'"):
        run.top(by="vog@all:class")
    with pytest.raises(ResultError, match="exists for classification alone"):
        run.top(label="1")
    with pytest.raises(ResultError, match="exists for classification alone"):
        vog.analyze(run)
    assert run.default_column == "vog@all"
    assert len(run.values("vog@all:rank")) == 40
    assert vog.report(run, tmp_path / "report.html").exists()


def test_the_columns_of_tags(tmp_path: Path) -> None:
    run = score("multi-label", tmp_path)
    rows = run.table(["label", "label_name"]).to_pylist()
    expected = [np.flatnonzero(row).tolist() for row in TAGS]
    assert [row["label"] for row in rows] == expected
    assert rows[0]["label_name"] == ", ".join(map(str, expected[0]))
    tags = [run.values(f"loss_tag{tag}@all") for tag in range(3)]
    np.testing.assert_allclose(np.mean(tags, axis=0), run.values("loss@all"), rtol=1e-5)
    assert run.top(2, by="aum_tag1@all")["index"].to_pylist()
    lines = run.export(tmp_path / "rows.csv").read_text().splitlines()
    assert lines[0].startswith("index,id,label,")
    assert lines[1].split(",")[2] == " ".join(map(str, expected[0]))


def test_the_columns_of_amounts(tmp_path: Path) -> None:
    run = score("regression", tmp_path)
    np.testing.assert_array_equal(run.values("label"), CASES["regression"][1])
    assert run.schema.field("loss@all").metadata[b"unit"] == b"squared unit of the label"
    names = [score_name["name"] for score_name in run.question["scores"]]
    assert names == ["vog", "grad_norm", "volg", "csg", "grand", "loss", "el2n"]


@pytest.mark.parametrize("name", ["binary", "multi-label"])
def test_probabilities_are_refused(name: str, tmp_path: Path) -> None:
    build, labels = CASES[name]
    checkpoints = save(states_of(build), tmp_path / "checkpoints")

    def probabilities() -> nn.Module:
        module = build()
        module.append(nn.Sigmoid())
        return module

    with pytest.raises(ModelError, match=r"values in \[0, 1\] alone, as a sigmoid does"):
        vog.score(probabilities, checkpoints, (INPUTS, labels), tmp_path / "run")


def test_one_logit_needs_no_detour(tmp_path: Path) -> None:
    """F10 of the newcomers: the advice to stack two logits led to the same message again."""
    run = score("binary", tmp_path)
    margins, labels = run.values("aum@all"), CASES["binary"][1]
    logits = [
        module(torch.from_numpy(INPUTS))[:, 0].detach().numpy() * (2 * labels - 1)
        for module in loaded(CASES["binary"][0], tmp_path / "checkpoints")
    ]
    np.testing.assert_allclose(margins, np.mean(logits, axis=0), rtol=1e-4, atol=1e-6)
    assert run.schema.field("label").type == "int64"


def loaded(build: Any, checkpoints: Path) -> list[nn.Module]:
    modules = []
    for path in sorted(checkpoints.glob("*.pt")):
        module = build()
        module.load_state_dict(torch.load(path))
        modules.append(module)
    return modules


def test_tags_give_no_verdict_that_cannot_be(tmp_path: Path) -> None:
    """F11: 351 of 600 labels of a multi-label model were suspects, without a doubt raised."""
    run = score("multi-label", tmp_path)
    with pytest.raises(ResultError, match="a verdict on labels exists for classification alone"):
        vog.suspects(run)


def test_labels_of_the_wrong_kind(tmp_path: Path) -> None:
    tags = TAGS.copy()
    tags[3, 1] = 2
    with pytest.raises(DataError, match=r"1 of 40 labels are outside vectors of 3 numbers"):
        score("multi-label", tmp_path, labels=tags, task="multi-label")
    amounts = np.where(np.arange(40) == 5, np.inf, 0.5)
    with pytest.raises(DataError, match="1 of 40 labels are outside finite numbers"):
        score("regression", tmp_path / "amounts", labels=amounts)
    tokens = TOKEN_LABELS.copy()
    tokens[2] = -100
    with pytest.raises(DataError, match="'2' has no label"):
        score("tokens", tmp_path / "tokens", labels=tokens)


def test_amounts_that_look_like_missing_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(as floats, if -1 is among them\): '0' has no label"):
        score("regression", tmp_path, labels=np.arange(40) - 1, task="regression")
    run = score("regression", tmp_path / "floats", labels=np.arange(40.0) - 1, task="regression")
    assert run.values("label")[0] == -1


def test_detection_is_refused(tmp_path: Path) -> None:
    boxes = [(INPUTS[0], {"boxes": torch.zeros(2, 4), "labels": torch.ones(2)})] * 3
    build = CASES["binary"][0]
    checkpoints = save(states_of(build), tmp_path / "checkpoints")
    with pytest.raises(DataError, match="Detection is not supported"):
        vog.score(build, checkpoints, boxes, tmp_path / "run")


def test_a_class_is_a_whole_number() -> None:
    labels = np.array([0.5, 1.0, 3.0, -1.0])
    assert task_of_name("classification").are_labels(labels, 3).tolist() == [  # type: ignore[union-attr]
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("name", list(CASES))
def test_data_without_labels(name: str, tmp_path: Path) -> None:
    """VoG at the predictions is that of the data with labels, which it does not use."""
    options = {"target": "predicted", "task": name}
    run = score(name, tmp_path / "without", labels=None, **options)
    labelled = score(name, tmp_path / "with", **options)
    if name == "tokens":  # without labels, all positions count
        labelled = score(name, tmp_path / "all", labels=np.abs(TOKEN_LABELS) % 4, **options)
    np.testing.assert_allclose(run.values("vog@all"), labelled.values("vog@all"), rtol=1e-5)
    expected = {"vog", "grad_norm"} | ({"entropy"} if name != "regression" else set())
    assert {column.partition("@")[0] for column in run.score_columns} == expected
