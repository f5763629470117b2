"""`--names`: weights under other names, and with axes in another order."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import vog
from command_line import Cli
from vog.checkpoints import Reader
from vog.checkpoints.rename_weights import Names, load_names, names_identity
from vog.errors import CheckpointError, DataError, FunctionError
from vog.inspection.inspector import inspector
from vog.sweep.check_arguments import check_request
from vog.sweep.request import Request

WRITTEN = Path(__file__).parent / "tensorflow"
FILES = [WRITTEN / f"network-{step}.index" for step in (1, 2, 10)]
NAMES: dict[str, Any] = {
    "conv/kernel": {"to": "conv.weight", "permute": [3, 2, 0, 1]},
    "conv/bias": "conv.bias",
    "dense/kernel": {"to": "dense.weight", "permute": [1, 0]},
    "dense/bias": {"to": "dense.bias"},
}


class Port(nn.Module):
    """The network of `tensorflow/recipe.py`, whose rows are flattened with colours last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.dense = nn.Conv2d(3, 5, 3), nn.Linear(80, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(torch.relu(self.conv(x)).permute(0, 2, 3, 1).flatten(1))


def from_tensorflow(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the same as `NAMES` says."""
    return {
        "conv.weight": arrays["conv/kernel"].transpose(3, 2, 0, 1),
        "conv.bias": torch.from_numpy(arrays["conv/bias"]),
        "dense.weight": arrays["dense/kernel"].T,
        "dense.bias": arrays["dense/bias"],
    }


def no_mapping(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return list(arrays.values())


def nothing(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {}


def failing(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"a": arrays["no such name"]}


def as_file(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(20, 3, 6, 6)).astype(np.float32), rng.integers(0, 4, 20)


def saved_by_torch(folder: Path, suffix: str = "") -> Path:
    """Save the same weights as a state dict, from the values that TensorFlow read back."""
    folder.mkdir()
    for step in (1, 2, 10):
        with np.load(WRITTEN / f"network-{step}.npz") as arrays:
            network = Port()
            network.load_state_dict(
                {
                    "conv.weight": torch.from_numpy(
                        np.moveaxis(arrays[f"conv/kernel{suffix}"], (3, 2), (0, 1)).copy()
                    ),
                    "conv.bias": torch.from_numpy(arrays[f"conv/bias{suffix}"]),
                    "dense.weight": torch.from_numpy(arrays[f"dense/kernel{suffix}"].T.copy()),
                    "dense.bias": torch.from_numpy(arrays[f"dense/bias{suffix}"]),
                }
            )
            torch.save(network.state_dict(), folder / f"step-{step}.pt")
    return folder


@pytest.mark.parametrize("average", [False, True])
def test_a_port_scores_as_the_same_weights_of_torch(
    tmp_path: Path, data: tuple[np.ndarray, np.ndarray], average: bool
) -> None:
    key = "ExponentialMovingAverage" if average else None
    plain = saved_by_torch(tmp_path / "torch", f"/{key}" if key else "")
    expected = vog.score(Port, plain, data, tmp_path / "expected", scores="all", quiet=True)
    path = as_file(tmp_path / "names.json", NAMES)
    specs = (NAMES, str(path), path, from_tensorflow, f"{__file__}:from_tensorflow")
    questions = []
    for at, names in enumerate(specs):
        out = tmp_path / str(at)
        run = vog.score(Port, FILES, data, out, scores="all", quiet=True, weights=key, names=names)
        assert run.table().equals(expected.table())
        questions.append(run.question)
    assert [entry["step"] for entry in questions[0]["checkpoints"]] == [1, 2, 10]
    texts = [question["names"] for question in questions]
    assert texts[0] == texts[1] == texts[2] != texts[3] == texts[4]
    assert questions[1]["where"]["names"] == str(path)
    assert "names" not in expected.question


def test_the_command_line_takes_names(
    cli: Cli, tmp_path: Path, data: tuple[np.ndarray, np.ndarray]
) -> None:
    np.savez(tmp_path / "d.npz", inputs=data[0], labels=data[1])
    path = as_file(tmp_path / "names.json", NAMES)
    words = ["--model", f"{__file__}:Port", "--checkpoints", str(WRITTEN / "network-*.index")]
    words += ["--data", str(tmp_path / "d.npz"), "--layout", "channels-first"]
    for command in ("score", "gradients"):
        out = ["--out", str(tmp_path / command)]
        status, _, errors = cli(command, *words, *out, "--names", str(path))
        assert status == 0, errors
    as_file(path, {**NAMES, "conv/bias": "conv.bia"})
    status, _, errors = cli("score", *words, "--out", str(tmp_path / "x"), "--names", str(path))
    assert status != 0
    assert "conv.bia" in errors
    as_file(path, {**NAMES, "conv/b": "x"})
    status, _, errors = cli("score", *words, "--out", str(tmp_path / "x"), "--names", str(path))
    assert f"--names {path} names conv/b, which the file does not have. Did you mean" in errors


def test_other_names_are_another_question_and_an_example_is_seen_again(
    tmp_path: Path, data: tuple[np.ndarray, np.ndarray]
) -> None:
    path = as_file(tmp_path / "names.json", NAMES)
    run = vog.score(Port, FILES, data, tmp_path / "run", scores="vog", quiet=True, names=str(path))
    as_file(path, json.dumps(NAMES, indent=3))
    vog.score(Port, FILES, data, tmp_path / "run", scores="vog", quiet=True, names=path)
    again = inspector(run, model=Port, data=data)(0)
    assert again.vog == pytest.approx(run.values("vog@all")[0], rel=1e-5)
    assert again.differs == ()
    as_file(path, dict(reversed(NAMES.items())))
    assert inspector(run, model=Port, data=data)(0).differs == ()
    other = inspector(run, model=Port, data=data, names=from_tensorflow)(0)
    assert other.differs == ("different names for the weights",)
    with pytest.raises(vog.VogError, match="answers another question"):
        vog.score(
            Port, FILES, data, tmp_path / "run", scores="vog", quiet=True, names=from_tensorflow
        )


def saved(folder: Path) -> Path:
    weights = {"a": torch.zeros(2, 3), "b": torch.ones(2), "c": torch.arange(3)}
    torch.save(weights, folder / "1.pt")
    return folder / "1.pt"


def test_what_is_not_in_the_names_passes_on(tmp_path: Path) -> None:
    weights = Reader(names={"a": "x.weight"})(saved(tmp_path))
    assert list(weights) == ["x.weight", "b", "c"]
    swapped = Reader(names={"b": "c", "c": "b"})(tmp_path / "1.pt")
    assert (swapped["c"].tolist(), swapped["b"].tolist()) == ([1, 1], [0, 1, 2])
    turned = Reader(names={"a": {"to": "a", "permute": [1, 0]}})(tmp_path / "1.pt")
    assert turned["a"].shape == (3, 2)
    assert turned["a"].is_contiguous()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"aa": "x"}, "1.pt: names names aa, which the file does not have. Did you mean 'a'?"),
        ({"a": "x", "b": "x"}, "names gives a and b the same name, x. Give each"),
        ({"a": "b"}, "1.pt: names gives a and b the same name, b. Give each"),
        ({"a": {"to": "x", "permute": [0]}}, r"permutes a by \[0\], and its shape is \(2, 3\)"),
        ({"a": {"to": "x", "permute": [0, 0]}}, r"permutes a by \[0, 0\]"),
        ({"a": {"to": "x", "permute": [0, 2]}}, r"permutes a by \[0, 2\]"),
        ({"b": {"to": "x", "permute": []}}, r"permutes b by \[\], and its shape is \(2,\)"),
        (no_mapping, "names 'test_rename_weights.no_mapping .*' returns a list for .*; expected"),
        (nothing, "returns a dict with the keys .* for .*; expected the weights by name"),
    ],
)
def test_names_that_do_not_fit_a_file(tmp_path: Path, names: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Reader(names=names)(saved(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        "{}",
        "3",
        '{"a": 1}',
        '{"a": ""}',
        '{"a": null}',
        '{"a": ["x"]}',
        '{"a": {"permute": [0]}}',
        '{"a": {"to": "x", "axes": [0]}}',
        '{"a": {"to": "x", "permute": 0}}',
        '{"a": {"to": "x", "permute": [true]}}',
        '{"a": {"to": "x", "permute": [0.0]}}',
        '{"a": "x", "a": "y"}',
    ],
)
def test_files_of_another_form(tmp_path: Path, content: str) -> None:
    path = as_file(tmp_path / "names.json", content)
    with pytest.raises(CheckpointError, match=r"^names='.*json' .*Expected {\"name in file\""):
        load_names(str(path))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="x.json' cannot be read: No such file .* Expected a"):
        load_names(tmp_path / "x.json")
    with pytest.raises(FunctionError, match="names 'nothing' does not name a function"):
        load_names("nothing")
    (tmp_path / "names.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(CheckpointError, match="is no JSON"):
        load_names(tmp_path / "names.json")


def test_a_function_that_fails(tmp_path: Path) -> None:
    with pytest.raises(FunctionError, match="names .*failing.* failed: KeyError: 'no such name'"):
        Reader(names=failing)(saved(tmp_path))


def test_names_of_another_kind(tmp_path: Path, data: tuple[np.ndarray, np.ndarray]) -> None:
    request = Request(Port, FILES, data, tmp_path / "run")
    object.__setattr__(request, "names", 3)  # the checks of types in tests would refuse it first
    with pytest.raises(DataError, match="names=3: expected names by name, a file of JSON"):
        check_request(request)


def test_names_come_after_reading_and_after_the_key(tmp_path: Path) -> None:
    order: list[str] = []

    def read(path: Path) -> dict[str, Any]:
        order.append("read")
        return {"ema": {"a": np.ones(2)}, "model": {"a": np.zeros(2)}}

    def rename(arrays: Mapping[str, Any]) -> dict[str, Any]:
        order.append("names")
        assert isinstance(arrays["a"], np.ndarray)
        return {"x": arrays["a"] + 1}

    assert Reader("ema", read, rename)(tmp_path)["x"].tolist() == [2, 2]
    assert order == ["read", "names"]


def test_a_function_gets_arrays_of_every_type(tmp_path: Path) -> None:
    values = {
        "half": torch.ones(2, dtype=torch.bfloat16),
        "sparse": torch.eye(2).to_sparse(),
        "number": torch.tensor(3),
    }
    torch.save(values, tmp_path / "1.pt")
    kinds: dict[str, Any] = {}

    def look(arrays: Mapping[str, Any]) -> dict[str, Any]:
        kinds.update({name: (type(array), str(array.dtype)) for name, array in arrays.items()})
        return dict(arrays)

    weights = Reader(names=look)(tmp_path / "1.pt")
    assert kinds == {
        "half": (np.ndarray, "float32"),
        "sparse": (np.ndarray, "float32"),
        "number": (np.ndarray, "int64"),
    }
    assert torch.equal(weights["sparse"], torch.eye(2))


@given(st.dictionaries(st.text(min_size=1), st.permutations([0, 1, 2]), min_size=1))
def test_what_is_renamed_and_turned_can_be_turned_back(axes: dict[str, list[int]]) -> None:
    rng = np.random.default_rng(0)
    weights = {name: torch.from_numpy(rng.normal(size=(2, 3, 4))) for name in axes}
    there = {n: {"to": f"{n}!", "permute": order} for n, order in axes.items()}
    back = {f"{n}!": {"to": n, "permute": np.argsort(o).tolist()} for n, o in axes.items()}
    first, second = load_names(there), load_names(back)
    assert isinstance(first, Names)
    turned = first(weights, Path("1.pt"))
    assert all(torch.equal(turned[f"{n}!"], weights[n].permute(o)) for n, o in axes.items())
    again = second(turned, Path("1.pt"))
    assert all(torch.equal(again[name], weights[name]) for name in weights)
    assert names_identity(there) == names_identity(dict(reversed(there.items())))
    assert names_identity(there) != names_identity(back)
