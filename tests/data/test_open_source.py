"""Data of every kind: ids, labels, digests, images as networks expect them, batches."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Subset

import vog
import world
from batch_tensors import tensor_of
from vog import data
from vog.data import Examples, images, open_source
from vog.errors import DataError
from vog.figures.example_reader import reader

RNG = np.random.default_rng(0)


def picture(path: Path, size: tuple[int, int] = (300, 260), seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1] // 20, size[0] // 20, 3))
    Image.fromarray(pixels.astype(np.uint8)).resize(size).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for i, name in enumerate(["dog/2.jpg", "cat/10.jpg", "cat/a/9.png", "dog/1.jpeg"]):
        picture(root / name, seed=i)
    (root / "empty").mkdir()
    (root / ".hidden").mkdir()
    (root / "dog" / "notes.txt").write_text("no image")
    return root


def test_a_folder_with_one_sub_folder_a_class(folder: Path) -> None:
    examples = open_source(folder)
    assert list(examples.ids) == ["cat/10.jpg", "cat/a/9.png", "dog/1.jpeg", "dog/2.jpg"]
    assert examples.labels is not None
    assert examples.labels.tolist() == [0, 0, 1, 1]
    assert examples.label_names == ("cat", "dog", "empty")
    assert examples.classes == 3, "an empty folder is a class: without it others are renumbered"
    image, label = examples.read(2)
    assert image.shape == (3, 224, 224)
    assert label == 1


def test_a_list_file(folder: Path, tmp_path: Path) -> None:
    picture(folder / "with space.jpg")
    listing = tmp_path / "train.txt"
    listing.write_text("dog/2.jpg 7\n\ncat/10.jpg\t3\nwith space.jpg 0\n")
    examples = open_source(listing, root=folder)
    assert list(examples.ids) == ["dog/2.jpg", "cat/10.jpg", "with space.jpg"]
    assert examples.labels is not None
    assert examples.labels.tolist() == [7, 3, 0]
    assert examples.label_names is None
    assert examples.classes is None, "the list names the numbers of the classes itself"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cat/10.jpg 1\ndog/2.jpg\n", r"train.txt, line 2: 'dog/2.jpg' has no label"),
        ("cat/10.jpg one\ndog/2.jpg\n", r"line 2: 'dog/2.jpg' has no label"),
        ("cat/10.jpg one\ndog/2.jpg 1\n", r"line 1: 'cat/10.jpg one' has no label"),
        ("cat/10.jpg -1\n", r"line 1: .* ends in -1, which is no label"),
        ("\n\n", "is empty"),
        ("cat/10.jpg 1\ngone.jpg 0\n", r"1 of 2 files are not in .*: gone.jpg"),
        ("cat/10.jpg 1\ncat/10.jpg 0\n", "named more than once: cat/10.jpg"),
    ],
)
def test_lists_that_are_refused(folder: Path, content: str, message: str) -> None:
    (folder / "train.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        open_source(folder / "train.txt")


def test_a_list_may_name_classes(folder: Path) -> None:
    picture(folder / "with space.jpg")
    (folder / "train.txt").write_text("dog/2.jpg dog\ncat/10.jpg cat\nwith space.jpg cat\n")
    examples = open_source(folder / "train.txt")
    assert examples.label_names == ("cat", "dog")
    assert list(examples.ids) == ["dog/2.jpg", "cat/10.jpg", "with space.jpg"]
    assert examples.labels is not None
    assert examples.labels.tolist() == [1, 0, 0]
    (folder / "train.txt").write_text("dog/2.jpg\ta dog\nwith space.jpg\ta cat\n")
    assert open_source(folder / "train.txt").label_names == ("a cat", "a dog")


def test_a_list_of_commas_is_a_table_of_paths(folder: Path) -> None:
    """With the names of columns, as pandas writes it, and without."""
    for header in ("path,label\n", ""):
        (folder / "train.csv").write_text(f"{header}dog/2.jpg,dog\ncat/10.jpg,cat\n")
        examples = open_source(folder / "train.csv")
        assert list(examples.ids) == ["dog/2.jpg", "cat/10.jpg"]
        assert examples.label_names == ("cat", "dog")
        assert examples.files is not None


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.data", b"PAR1\xff\x00", r"it is a Parquet file. Give it the ending .parquet"),
        ("a.txt.gz", b"\x1f\x8b\x08\x00", r"it is compressed by gzip. Unpack it"),
        ("a.db", b"SQLite format 3\0\xff", r"it is an SQLite database. Write the table"),
        ("a.tfrecord", b"\x0a\x00\xff", r"it is a TFRecord file. Write images in folders, or"),
        ("a.tfrecord", b"\x0a\x00\x01", r"it is a TFRecord file. Write images in folders, or"),
        ("a.pkl", b"\x80\x05\x95", r"it is a pickle, which runs code when it is read"),
        ("a.unknown", b"caf\xe9.jpg 1", r"neither a text in UTF-8 \(it has the byte 0xe9\)"),
    ],
)
def test_other_files_are_named_by_what_they_are(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        open_source(tmp_path / name)


def test_folders_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    with pytest.raises(
        DataError, match="has neither sub-folders nor images. Expected one sub-folder a class"
    ):
        open_source(tmp_path / "flat")
    (tmp_path / "flat" / "cat").mkdir()
    with pytest.raises(DataError, match="has the sub-folders cat but no image in them"):
        open_source(tmp_path / "flat")
    with pytest.raises(DataError, match="there is no such folder or file"):
        open_source(tmp_path / "nowhere")
    (tmp_path / "list.bin").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(
        DataError, match=r"is no list of files: it is a file of bytes in an unknown form. Save"
    ):
        open_source(tmp_path / "list.bin")


def test_the_digest_of_files_sees_names_labels_sizes_and_times(folder: Path) -> None:
    first = open_source(folder).digest
    assert open_source(folder).digest == first
    picture(folder / "cat/10.jpg", seed=9)
    second = open_source(folder).digest
    (folder / "cat/10.jpg").rename(folder / "cat/11.jpg")
    third = open_source(folder).digest
    (folder / "cat/11.jpg").rename(folder / "dog/11.jpg")
    assert len({first, second, third, open_source(folder).digest}) == 4


@pytest.mark.parametrize("size", [(300, 260), (260, 300), (256, 256), (500, 90), (224, 224)])
def test_the_imagenet_transform(size: tuple[int, int], tmp_path: Path) -> None:
    """Against its definition: shorter side 256, centre 224, (x / 255 - mean) / std."""
    image = images.open_image(picture(tmp_path / "a.png", size))
    shorter = min(size)
    wide, high = 256 * size[0] // shorter, 256 * size[1] // shorter
    assert min(wide, high) == 256
    resized = np.asarray(image.resize((wide, high), Image.Resampling.BILINEAR), np.float64)
    top, left = round((high - 224) / 2), round((wide - 224) / 2)
    pixels = resized[top : top + 224, left : left + 224] / 255
    expected = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(images.imagenet(image), expected.transpose(2, 0, 1), atol=1e-5)


def test_grey_and_transparent_images_become_rgb(tmp_path: Path) -> None:
    for mode in ("L", "RGBA", "P", "1", "CMYK"):
        path = tmp_path / f"{mode}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.new(mode, (8, 6)).save(path)
        assert images.unchanged(images.open_image(path)).shape == (3, 6, 8)


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_an_npz_file(tmp_path: Path) -> None:
    inputs, labels = RNG.normal(size=(5, 2)), np.array([0, 1, 2, 1, 0], np.uint8)
    plain = open_source(npz(tmp_path / "a.npz", inputs=inputs, labels=labels))
    assert list(plain.ids) == ["0", "1", "2", "3", "4"]
    assert plain.ids[1:3] == ["1", "2"]
    named = open_source(
        npz(
            tmp_path / "b.npz",
            images=inputs,
            labels=labels,
            ids=np.array(list("abcde")),
            label_names=np.array(["x", "y", "z"]),
        )
    )
    assert list(named.ids) == list("abcde")
    assert named.label_names == ("x", "y", "z")
    assert named.digest != plain.digest
    moved = open_source(npz(tmp_path / "c.npz", inputs=inputs, labels=labels))
    assert moved.digest == plain.digest
    inputs[3, 1] += 1e-9
    assert open_source(npz(tmp_path / "d.npz", inputs=inputs, labels=labels)).digest != plain.digest


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3)}, "holds x; expected `images` or `inputs`, and `labels`"),
        ({"labels": np.zeros(3, int)}, "holds labels; expected `images` or `inputs`, and"),
        ({"inputs": np.zeros((3, 2)), "labels": np.zeros(2, int)}, r"\(3, 2\) and labels \(2,\)"),
        ({"inputs": np.zeros((0, 2)), "labels": np.zeros(0, int)}, "at least one row"),
        ({"inputs": np.zeros((3, 2)), "labels": np.array(["a", "b", "c"])}, "labels are <U1"),
        (
            {"images": np.zeros((3, 2, 2), np.uint8), "labels": np.zeros(3, int)},
            "inputs are uint8; expected floats, scaled as in training",
        ),
        (
            {"inputs": np.zeros((2, 2)), "labels": np.zeros(2, int), "ids": np.array(["a", "a"])},
            "expected 2 different ids",
        ),
        (
            {"inputs": np.zeros((2, 2)), "labels": np.zeros(2, int), "ids": np.array(list("aba"))},
            r"ids have shape \(3,\), and 2 are different; expected 2 different ids",
        ),
        (
            {"inputs": np.zeros((2, 2)), "labels": np.zeros(2, int), "label_names": np.array("a")},
            r"label_names has shape \(\); expected a list, one name a class",
        ),
        ({"inputs": np.array(1.0)}, r"inputs have shape \(\).*at least one row"),
        (
            {"inputs": np.zeros((2, 2)), "labels": np.array([0, 2**64 - 1], np.uint64)},
            "a label is 18446744073709551615; expected whole numbers",
        ),
        (
            {"inputs": np.array([[1], "a"], object), "labels": np.zeros(2, int)},
            "cannot be read as .npz",
        ),
    ],
)
def test_npz_files_that_are_refused(tmp_path: Path, arrays: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(npz(tmp_path / "a.npz", **arrays))


def test_a_file_that_is_no_npz(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK not really")
    with pytest.raises(DataError, match="cannot be read as .npz"):
        open_source(tmp_path / "a.npz")


class Points(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, count: int = 6) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index == 4:
            raise OSError("disk read error")
        return torch.full((2,), float(index)), index % 3


def test_a_dataset() -> None:
    points = Points()
    examples = open_source(points)
    assert list(examples.ids) == list("012345")
    assert examples.labels is None, "they cost a pass over the data"
    batch = data.read_batch(examples, range(2, 6))
    assert batch.problems == {2: "disk read error"}
    assert batch.positions.tolist() == [0, 1, 3]
    assert batch.labels.tolist() == [2, 0, -1, 2]
    assert tensor_of(batch)[:, 0].tolist() == [2, 3, 5]


def test_a_dataset_that_knows_its_labels_and_names() -> None:
    points = Points()
    points.targets, points.classes = [0, 1, 2, 0, 1, 2], ["a", "b", "c"]  # type: ignore
    examples = open_source(points)
    assert examples.labels is not None
    assert examples.labels.tolist() == points.targets  # type: ignore[attr-defined]
    assert examples.label_names == ("a", "b", "c")


def test_ids_survive_shuffling_and_subsets() -> None:
    points = Points()
    points.targets = torch.tensor([0, 1, 2, 0, 1, 2])  # type: ignore[attr-defined]
    shuffled = open_source(Subset(Subset(points, [5, 3, 1]), [2, 0]))
    assert list(shuffled.ids) == ["1", "5"]
    assert shuffled.labels is not None
    assert shuffled.labels.tolist() == [1, 2]
    assert tensor_of(data.read_batch(shuffled, range(2)))[:, 0].tolist() == [1, 5]


def test_ids_of_another_length_are_refused() -> None:
    points = Points()
    points.ids = ["a", "b", "c"]  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="has 6 items and 3 different ids"):
        open_source(points)


def test_targets_that_are_not_what_items_say_are_not_believed() -> None:
    points = Points()
    points.targets = [100] * 6  # type: ignore[attr-defined]
    assert open_source(points).labels is None


def test_a_list_with_tabs_spaces_and_a_mark(folder: Path) -> None:
    picture(folder / "my cat.png")
    (folder / "l.txt").write_text("\ufeffmy cat.png\t0\ndog/2.jpg  3\n", encoding="utf-8")
    assert list(open_source(folder / "l.txt").ids) == ["my cat.png", "dog/2.jpg"]


def test_a_worker_that_dies_is_told_as_such(folder: Path) -> None:
    examples = open_source(folder, transform=_dies)
    with pytest.raises(DataError, match="a worker process died"):
        list(data.batches(examples, [range(4)], 1))


def _dies(image: Image.Image) -> object:
    os._exit(1)


def test_paths_of_an_image_folder_dataset_are_its_ids(tmp_path: Path) -> None:
    points = Points(2)
    points.root = str(tmp_path)  # type: ignore[attr-defined]
    points.samples = [(str(tmp_path / "cat" / "1.jpg"), 0), ("elsewhere/2.jpg", 1)]  # type: ignore
    assert list(open_source(points).ids) == ["cat/1.jpg", "elsewhere/2.jpg"]


class Other(Points):
    def __init__(self, item: object) -> None:
        super().__init__(3)
        self.item = item

    def __getitem__(self, index: int) -> object:  # type: ignore[override]
        return self.item


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((), r"item 0 of the dataset is of type tuple; expected \(input, l"),
        ((0.5, 1.0, 2.0), r"has 3 parts and begins with the number 0.5; expected \(input, lab"),
        ((7, torch.zeros(2), 1), "begins with the number 7.*Return the input first"),
        (
            {"img": torch.zeros(2), "fine_label": 3},
            r"has the keys 'img', 'fine_label'; expected an input under pixel_values, image, inp",
        ),
        ((torch.zeros(2), 2**70), "expected a whole number"),
        ((torch.zeros(2), "cat"), "has the label 'cat'; expected a whole number"),
    ],
)
def test_items_that_are_refused(item: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(Other(item))


@pytest.mark.parametrize(
    "label",
    [2, np.int64(2), np.array(2), np.array([2]), torch.tensor(2), torch.tensor([2]), np.uint8(2),
     np.array([2.0]), torch.tensor([2.0])],
)  # fmt: skip
def test_labels_of_one_number_in_whatever_it_comes(label: object) -> None:
    examples = open_source(Other((torch.zeros(2), label)))
    assert data.read_batch(examples, range(3)).labels.tolist() == [2, 2, 2]


def test_a_column_of_targets_is_believed() -> None:
    points = Points()
    points.targets = np.arange(6)[:, None] % 3  # type: ignore[attr-defined]
    assert open_source(points).labels.tolist() == [0, 1, 2, 0, 1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("item", "label", "note"),
    [
        ({"pixel_values": torch.ones(2), "labels": 1}, 1, ""),
        ({"image": np.ones(2), "label": np.array([1])}, 1, ""),
        ({"inputs": np.ones(2)}, -1, ""),
        (
            {"image": np.zeros(2), "pixel_values": np.ones(2), "label": 1, "id": "a"},
            1,
            "of each item 'pixel_values' and 'label' are read, not 'image', 'id'",
        ),
        ((np.ones(2), 1, "a"), 1, "items have 3 parts; the first two are read, as input and label"),
        ([np.ones(2), 1, 0, 0], 1, "items have 4 parts; the first two are read, as input and lab"),
        ((np.ones(2), 1), 1, ""),
    ],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_items_with_more_than_two_parts(item: object, label: int, note: str, workers: int) -> None:
    examples = open_source(Other(item), workers=workers)
    batch = data.read_batch(examples, range(3))
    assert tensor_of(batch).tolist() == [[1, 1]] * 3
    assert batch.labels.tolist() == [label] * 3
    assert len(examples.notes) == (1 if note else 0)
    assert all(said.startswith(note) for said in examples.notes)


def test_values_that_are_refused() -> None:
    with pytest.raises(DataError, match=r"read as torch.int64; expected floats"):
        open_source(Other((torch.zeros(1, 2, 2, dtype=torch.int64), 0)))
    with pytest.raises(DataError, match=r"read as torch.uint8; expected floats"):
        open_source(Other((torch.zeros(2, 2, dtype=torch.uint8), 0)))
    with pytest.raises(DataError, match=r"example '0' is read as str; expected a tensor"):
        open_source(Other(("a word", 0)))
    ragged = open_source(Points(), transform=lambda x: x[: 1 + int(x[0])].reshape(1, 1, -1))
    with pytest.raises(DataError, match=r"differ in shape: '0' is \(1, 1, 1\), '1' is \(1, 1, 2\)"):
        data.read_batch(ragged, range(2))
    with pytest.raises(DataError, match=r"example '0' cannot be made into an input: ZeroDivision"):
        open_source(Points(), transform=lambda _: 1 / 0)


def with_attributes(**attributes: Any) -> "Points":
    points = Points()
    vars(points).update(attributes)
    return points


@pytest.mark.parametrize(
    "attributes",
    [
        {"targets": 10},
        {"targets": lambda: [0] * 6},
        {"targets": [[0], [1, 2], [0], [0], [0], [0]]},
        {"targets": np.full(6, 2**64 - 1, np.uint64)},
        {"root": "a", "samples": [3] * 6},
        {"root": "a", "samples": list("abcdef")},
        {"root": "a", "samples": [()] * 6},
    ],
)
def test_attributes_of_another_form_are_ignored(attributes: dict[str, Any]) -> None:
    examples = open_source(with_attributes(**attributes))
    assert examples.labels is None
    assert list(examples.ids) == list("012345")


class Failing(Dataset[Any]):
    """Its length is not one, and its items cannot be read."""

    def __init__(self, length: Any) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length()

    def __getitem__(self, row: int) -> Any:
        raise OSError("no such file: caf\udce9.png")


def test_why_an_item_cannot_be_read_is_text_that_can_be_written() -> None:
    batch = data.read_batch(open_source(Failing(lambda: 2)), range(2))
    assert batch.problems[1] == "no such file: caf\\xe9.png"


HALF: Any = [0.5]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Failing(lambda: 2.5), "length of the dataset of type Failing is unknown: TypeError"),
        (Failing(lambda: 1 / 0), "is unknown: ZeroDivisionError.*Expected __len__ to return"),
        (Subset(Points(), [1, 6]), "a Subset has row 6 of a dataset of 6 items"),
        (Subset(with_attributes(ids=list("abcdef")), [-7]), "a Subset has row -7 of a dataset"),
        (Subset(Points(), HALF), "a Subset has indices of shape .* expected a list of row num"),
        (DataLoader(Points(), shuffle=True), "a DataLoader was given; expected its dataset"),
        (Points(0), "has no items"),
        (iter([]), "expected a map-style Dataset"),
    ],
)
def test_data_that_are_no_dataset(given: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(given)


def test_the_digest_of_a_dataset_sees_length_labels_and_a_sample() -> None:
    base = open_source(Points()).digest
    labelled = Points()
    labelled.targets = [0, 1, 2, 0, 1, 2]  # type: ignore[attr-defined]
    assert len({base, open_source(Points(5)).digest, open_source(labelled).digest}) == 3
    assert open_source(Points()).digest == base


def test_a_damaged_image_marks_its_row(folder: Path) -> None:
    whole = (folder / "dog/2.jpg").read_bytes()
    (folder / "dog/2.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "cat/10.jpg").write_bytes(b"no image")
    batch = data.read_batch(open_source(folder), range(4))
    assert "truncated" in batch.problems[3]
    assert batch.problems[0].startswith("cannot identify image file")
    assert batch.positions.tolist() == [1, 2]
    assert batch.labels.tolist() == [0, 0, 1, 1], "its label is known all the same"


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_order_whoever_reads_them(folder: Path, workers: int) -> None:
    examples = open_source(folder)
    ranges = [range(3), range(3, 4)]
    read = list(data.batches(examples, ranges, workers))
    assert [batch.rows for batch in read] == ranges
    for batch in read:
        for position, row in enumerate(batch.rows):
            expected = torch.as_tensor(examples.read(row)[0])
            assert torch.equal(tensor_of(batch)[position], expected)


def _fails(image: Image.Image) -> object:
    raise KeyError("mine")


def test_a_failing_transform_is_told_from_a_worker(folder: Path) -> None:
    examples = open_source(folder, transform=_fails)
    with pytest.raises(DataError, match=r"'cat/10.jpg' cannot be made into an input: KeyError"):
        list(data.batches(examples, [range(4)], 1))


def test_each_image_is_decoded_once_for_all_checkpoints(folder: Path) -> None:
    seen: list[int] = []

    def counting(index: int) -> tuple[np.ndarray, int]:
        seen.append(index)
        return np.zeros(2, np.float32), 0

    examples = Examples(["a", "b", "c"], counting, "")
    list(data.batches(examples, [range(2), range(2, 3)], 0))
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "data is empty.*the current folder is `.`"),
        ("  ", "data is empty"),
        ("https://example.org/cats.zip", "is an address, but data are read from folders and fil"),
        ("s3://bucket/cats", "Copy them here, or give"),
        ("mynet.py", "is a file of Python code; expected the function in it.*as mynet.py:NAME"),
    ],
)
def test_words_that_name_no_data(
    word: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mynet.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        open_source(word)


@pytest.mark.parametrize("label", ["-1", "0.0", "12345678901"])
def test_the_end_of_a_line_that_is_no_label_is_named(label: str, folder: Path) -> None:
    (folder / "list.txt").write_text(f"dog/2.jpg 1\ncat/10.jpg {label}\n")
    with pytest.raises(DataError, match=f"line 2.* ends in {label}, which is no label from 0"):
        open_source(folder / "list.txt")


def test_a_root_that_is_not_used_is_said(folder: Path) -> None:
    examples = open_source(folder, Path("nowhere"))
    assert examples.notes == ("root='nowhere' is for list files, and was not used",)


class PicturesOfTorchvision:
    """What torchvision's ImageFolder has: a root, and the path and the class of each image."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.samples = [(str(path), 0) for path in sorted(root.rglob("*.png"))]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        path, label = self.samples[row]
        return np.asarray(Image.open(path), np.float32).transpose(2, 0, 1), label


def test_the_pictures_of_an_image_folder_of_torchvision_are_found(
    checkpoints: Path, tmp_path: Path
) -> None:
    for row in range(4):
        path = tmp_path / "photos" / "cat" / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (60 * row, 0, 0)).save(path)
    dataset = PicturesOfTorchvision(tmp_path / "photos")
    half = torch.utils.data.Subset(dataset, [3, 1])  # type: ignore[arg-type]
    for pictures, row, red in ((dataset, 2, 120), (half, 0, 180)):
        out = tmp_path / f"s{row}"
        run = vog.score(world.build, str(checkpoints / "*.pt"), pictures, out, quiet=True)
        name = run.table(["id"])["id"][row].as_py()
        assert reader(run)(row, name).getpixel((0, 0)) == (red, 0, 0)
