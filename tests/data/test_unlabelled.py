"""Data without labels: read in whatever form, scored at the predicted class, told from others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import vog
import world
from command_line import Cli
from vog.data import open_source
from vog.errors import CheckpointError, DataError, ScoreError, VogError
from vog.inspection.inspector import inspector
from vog.result import Run
from vog.result.rows import is_half
from vog.scores import SCORES, uses_label

Data = tuple[np.ndarray, np.ndarray]
BLIND = ["vog", "grad_norm", "entropy"]


class Bare(Dataset[Any]):
    """Items that `made` makes of an input."""

    def __init__(self, inputs: np.ndarray, made: Callable[[np.ndarray], Any]) -> None:
        self.inputs, self.made = inputs, made

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Any:
        return self.made(self.inputs[index])


def npz(folder: Path, inputs: np.ndarray) -> Path:
    np.savez(folder / "inputs.npz", inputs=inputs)
    return folder / "inputs.npz"


FORMS: dict[str, Callable[[Path, np.ndarray], Any]] = {
    "npz": npz,
    "pair": lambda _, inputs: (inputs, None),
    "label -1": lambda _, inputs: (inputs, np.full(len(inputs), -1)),
    "tensors": lambda _, inputs: TensorDataset(torch.from_numpy(inputs)),
    "arrays": lambda _, inputs: inputs,
    "items": lambda _, inputs: Bare(inputs, lambda one: one),
    "nothing": lambda _, inputs: Bare(inputs, lambda one: (one, None)),
}


def scored(checkpoints: Path, data: Any, out: Path, **how: Any) -> Run:
    return vog.score(world.build, checkpoints, data, out, target="predicted", **how)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_they_are_scored_as_with_labels(
    form: str, checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    labelled = scored(checkpoints, digits, tmp_path / "labelled")
    run = scored(checkpoints, FORMS[form](tmp_path, digits[0]), tmp_path / "run")
    assert {column.partition("@")[0] for column in run.score_columns} == set(BLIND)
    for column in run.score_columns:
        np.testing.assert_allclose(run.values(column), labelled.values(column), rtol=1e-5)
    assert run.table(["label"])["label"].null_count == run.rows
    assert not run.problems().num_rows
    same = run.table(["prediction@all", "vog@all:class"])
    assert same.equals(labelled.table(["prediction@all", "vog@all:class"]))


@pytest.mark.slow
def test_where_some_have_none_the_others_have_all(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    inputs, labels = digits
    some = labels.copy()
    some[::3] = -1
    run = scored(checkpoints, (inputs, some), tmp_path / "some", scores="all")
    whole = scored(checkpoints, digits, tmp_path / "whole", scores="all")
    for column in run.score_columns:
        needs_label = uses_label(SCORES[column.partition("@")[0]])
        values, expected = run.values(column), whole.values(column)
        assert np.isnan(values[::3]).all() == needs_label
        known = (some >= 0) | ~np.array(needs_label)
        np.testing.assert_allclose(values[known], expected[known], rtol=1e-5, atol=1e-7)
    halves = [name for name in run.schema.names if is_half(name)]
    assert {name.partition("@")[0] for name in halves} >= {"vog", "loss"}
    for name in halves:
        (column,) = run.table([name]).columns
        missing = np.array([value is None for value in column.to_pylist()])
        assert missing[::3].all() == uses_label(SCORES[name.partition("@")[0]]), name
    assert not run.problems().num_rows, "there is nothing wrong with them"


def test_the_label_is_needed_by_other_targets(
    checkpoints: Path, digits: Data, tmp_path: Path
) -> None:
    for target in ("logit", "loss"):
        with pytest.raises(DataError, match=r"no labels \('0', ...\).*target='predicted'"):
            vog.score(world.build, checkpoints, (digits[0], None), tmp_path / "r", target=target)
    with pytest.raises(ScoreError, match="aum, loss needs labels, and the data have none"):
        scored(checkpoints, (digits[0], None), tmp_path / "r", scores="vog,aum,loss")
    wrong = digits[1].copy()
    wrong[4] = -2
    with pytest.raises(DataError, match="1 of 30 labels are outside .* '4' has -2"):
        scored(checkpoints, (digits[0], wrong), tmp_path / "r")
    wrong[4] = -1
    with pytest.raises(DataError, match="1 of 30 labels are outside .* '4' has no label"):
        vog.score(world.build, checkpoints, (digits[0], wrong), tmp_path / "r")
    assert not (tmp_path / "r").exists()


def pictures(folder: Path, count: int = 3) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (6, 6), (40 * number, 0, 0)).save(folder / f"{number} of {count}.png")
    return folder


def test_pictures_right_in_a_folder_and_lists_of_paths(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    for data in (folder, tmp_path / "list.txt"):
        (tmp_path / "list.txt").write_text("0 of 3.png\n\n1 of 3.png\n 2 of 3.png \n")
        examples = open_source(data, folder if data != folder else None)
        assert list(examples.ids) == [f"{number} of 3.png" for number in range(3)]
        assert examples.unlabelled
        assert examples.label_names is None
    (tmp_path / "list.txt").write_text("0 of 3.png 1\n1 of 3.png\n")
    with pytest.raises(DataError, match="line 2: '1 of 3.png' has no label"):
        open_source(tmp_path / "list.txt", folder)
    (folder / "class").mkdir()
    with pytest.raises(DataError, match="has the sub-folders class but no image in them"):
        open_source(folder)


def test_what_cannot_be_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="whose first part is None"):
        open_source((None, np.zeros(3, int)))
    with pytest.raises(DataError, match=r"item 0 .* has the keys 'input'; expected an input"):
        open_source(Bare(np.zeros((3, 2)), lambda one: {"input": one}))
    for data in ((np.zeros((9, 4)), None), str(pictures(tmp_path / "p"))):
        with pytest.raises(VogError, match="the data have no labels, and planting needs them"):
            vog.plant(data, tmp_path / "planted", flip=0.5)


@pytest.mark.slow
def test_the_whole_way(
    checkpoints: Path,
    digits: Data,
    tmp_path: Path,
    cli: Cli,
) -> None:
    """Scored, looked at, told from other data, by the commands of docs/acting.md."""
    data, other = npz(tmp_path, digits[0]), world.save_npz(tmp_path / "other.npz", 40)
    model = f"{world.__file__}:build"
    words = ("score", "--model", model, "--checkpoints", str(checkpoints), "--target", "predicted")
    code, _, err = cli(*words, "--data", str(data), "--out", "run")
    assert code == 0, err
    assert "el2n" in err
    assert "no labels)" in err
    assert cli(*words, "--data", str(other), "--out", "other", "--quiet")[0] == 0
    code, out, _ = cli("analyze", "run", "--against", "other")
    assert code == 0
    assert all(name in out for name in BLIND)
    assert cli("top", "run")[0] == cli("report", "run")[0] == 0
    code, _, err = cli("analyze", "run")
    assert (code, "has no row with a label" in err, "`vog report` still shows" in err) == (
        1,
        True,
        True,
    )
    code, _, err = cli("suspects", "run")
    assert (code, "has no labels, so none can be judged" in err) == (1, True)
    code, _, err = cli("select", "run", "--keep-hardest", "50%", "--out", "kept.txt")
    assert code == 0, err
    gradients = (*words, "--data", str(data), "--out", "gradients")
    code, _, err = cli("gradients", *gradients[1:])
    assert (code, "the data have no labels, and this layout keeps one" in err) == (1, True)


def test_one_example_again(checkpoints: Path, digits: Data, tmp_path: Path) -> None:
    run = scored(checkpoints, (digits[0], None), tmp_path / "run")
    inspect = inspector(run, model=world.build, data=(digits[0], None))
    found = inspect(3)
    assert found.vog == pytest.approx(run.values("vog@all")[3], rel=1e-4)
    assert (found.label, found.confidence, found.margin, found.loss) == (-1, None, None, None)
    assert found.differs == ()


def test_keys_that_are_no_labels_are_named_where_there_are_none(
    checkpoints: Path, tmp_path: Path
) -> None:
    """Whoever calls the label `target` sees what was read."""
    items = Bare(np.zeros((4, 3, 6, 6), np.float32), lambda row: {"image": row, "target": 1})
    with pytest.raises(DataError, match="have no labels.*'image' is read, not 'target'"):
        vog.score(world.build, checkpoints, items, tmp_path / "run", quiet=True)


def test_a_row_without_a_label_among_others_is_called_that(
    checkpoints: Path, tmp_path: Path
) -> None:
    items = [(torch.zeros(3, 6, 6), label) for label in (0, None, 1)]
    with pytest.raises(DataError, match=r"'1' has no label \(-1\)"):
        vog.score(world.build, checkpoints, items, tmp_path / "run", quiet=True)


def test_checkpoints_of_no_name_are_not_the_current_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="checkpoints is empty"):
        vog.score(world.build, "", [], tmp_path / "run", quiet=True)
