"""Names of classes in a configuration decide which output a folder of images is."""

from pathlib import Path

import pytest

import pretrained
import vog
from vog.errors import DataError

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def test_folders_in_alphabetical_order_are_numbered_as_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = pretrained.model("ViT", DIGITS)
    for path in pretrained.save_checkpoints(tmp_path / "out", model, 2):
        pretrained.image_processor().save_pretrained(path)
    data = pretrained.save_image_folder(tmp_path / "data", DIGITS, 20)
    run = vog.score(None, tmp_path / "out", data, tmp_path / "run", scores="aum,loss")
    table = run.table(["id", "label"])
    for name, label in zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True):
        assert DIGITS[label] == Path(name).parent.name
    assert run.question["data"]["label_names"] == list(DIGITS)
    assert "agrees with" in capsys.readouterr().err


def test_some_of_the_names(tmp_path: Path) -> None:
    """Names say which outputs they are, also if there are no examples of the rest."""
    paths = pretrained.save_checkpoints(tmp_path / "out", pretrained.model("ViT", DIGITS), 2)
    pretrained.image_processor().save_pretrained(paths[-1])
    data = pretrained.save_image_folder(tmp_path / "data", ("two", "seven"), 8)
    run = vog.score(None, tmp_path / "out", data, tmp_path / "run", scores="aum", quiet=True)
    assert set(run.table(["label"])["label"].to_pylist()) == {2, 7}


def test_other_names_are_refused(tmp_path: Path) -> None:
    paths = pretrained.save_checkpoints(tmp_path / "out", pretrained.model("ViT", pretrained.NAMES))
    pretrained.image_processor().save_pretrained(paths[-1])
    data = pretrained.save_image_folder(tmp_path / "data", ("one", "two", "zero", "drei"))
    expected = (
        r"data are drei, one, two, zero; those of the model are zero, one, two, three\. It is "
        r"unknown which output 'drei' is"
    )
    with pytest.raises(DataError, match=expected):
        vog.score(None, tmp_path / "out", data, tmp_path / "run", scores="aum", quiet=True)


def test_made_up_names_say_nothing(tmp_path: Path) -> None:
    """`LABEL_0`, ... are those of a configuration that nobody gave names."""
    paths = pretrained.save_checkpoints(tmp_path / "out", pretrained.model("ViT"), 2)
    pretrained.image_processor().save_pretrained(paths[-1])
    data = pretrained.save_image_folder(tmp_path / "data")
    run = vog.score(None, tmp_path / "out", data, tmp_path / "run", scores="aum", quiet=True)
    assert run.question["data"]["label_names"] == sorted(pretrained.NAMES)


class NamedItems:
    """Items of a dataset whose classes have names, and whose labels are not in a list."""

    classes = ("three", "two", "one", "zero")

    def __len__(self) -> int:
        return 8

    def __getitem__(self, row: int) -> tuple[object, int]:
        if row >= len(self):
            raise IndexError(row)
        return pretrained.images(8)[0][row], row % 4


def test_items_of_a_dataset(tmp_path: Path) -> None:
    pretrained.save_checkpoints(tmp_path / "out", pretrained.model("ViT", pretrained.NAMES), 2)
    run = vog.score(
        None, tmp_path / "out", NamedItems(), tmp_path / "run", scores="aum", quiet=True, workers=0
    )
    assert run.table(["label"])["label"].to_pylist() == [3, 2, 1, 0] * 2
