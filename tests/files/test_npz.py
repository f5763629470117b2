"""Archives of arrays that are not what they say, and arrays of all the types there are."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from batch_tensors import tensor_of
from vog import data
from vog.data import open_source
from vog.data.kinds import npz_file
from vog.errors import DataError
from vog.files import npz

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(6, 4))


@pytest.mark.parametrize(
    "dtype", [">f2", "<f2", ">f4", "<f4", ">f8", "<f8", np.longdouble, np.dtype(np.longdouble)]
)
def test_floats_of_any_order_and_width(dtype: Any, tmp_path: Path) -> None:
    given = VALUES.astype(dtype)
    np.savez(tmp_path / "a.npz", inputs=given, labels=np.arange(6).astype(">i8"))
    expected = torch.from_numpy(given.astype(np.float32))
    for source in (tmp_path / "a.npz", (given, np.arange(6))):
        for transform in (None, lambda row: row):
            batch = data.read_batch(open_source(source, transform=transform), range(6))
            assert tensor_of(batch).dtype == torch.float32
            assert torch.equal(tensor_of(batch), expected)
            assert batch.labels.tolist() == list(range(6))
    items = data.read_batch(open_source([(row, 0) for row in given]), range(6))
    assert torch.equal(tensor_of(items), expected)


def test_what_float32_has_no_room_for_is_infinite_and_no_warning() -> None:
    huge = np.full((2, 3), 1e300, np.longdouble)
    batch = data.read_batch(open_source((huge, np.arange(2))), range(2))
    assert tensor_of(batch).isinf().all()


@pytest.mark.parametrize("dtype", [bool, ">u2", complex])
def test_what_is_no_float_is_refused(dtype: Any) -> None:
    with pytest.raises(DataError, match="inputs are"):
        open_source((VALUES.astype(dtype), np.arange(6)))


def test_whole_numbers_are_tokens_in_rows_and_refused_as_pictures() -> None:
    rows = np.arange(12, dtype=np.int16).reshape(6, 2)
    batch = data.read_batch(open_source((rows, np.arange(6))), range(6))
    assert tensor_of(batch).tolist() == rows.tolist()
    with pytest.raises(DataError, match="inputs are"):
        open_source((rows.reshape(3, 2, 2), np.arange(3)))


def test_objects_are_refused_with_a_transform_too() -> None:
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros(2), np.zeros(3)]
    for transform in (None, lambda row: row):
        with pytest.raises(DataError, match="Python objects, perhaps rows of different"):
            open_source((ragged.reshape(2, 1), np.arange(2)), transform=transform)


def test_a_column_of_labels_is_one_label_a_row(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=VALUES, labels=np.arange(6)[:, None])
    assert open_source(tmp_path / "a.npz").labels.tolist() == list(range(6))  # type: ignore
    tags = open_source((VALUES, np.eye(6, 2, dtype=int))).labels
    assert tags is not None
    assert tags.tolist() == np.eye(6, 2).tolist(), "a vector of 0 and 1 an example: its tags"
    with pytest.raises(DataError, match="labels"):
        open_source((VALUES, np.zeros((5, 2), int)))


def head(shape: str, dtype: str = "<f4", version: bytes = b"\x01\x00", pad: int = 0) -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * pad + b"\n"
    form = "<H" if version == b"\x01\x00" else "<I"
    return b"\x93NUMPY" + version + struct.pack(form, len(text)) + text


def archive(path: Path, inputs: bytes, compressed: bool = False) -> Path:
    labels = io.BytesIO()
    np.save(labels, np.zeros(2, int))
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as file:
        file.writestr("inputs.npy", inputs)
        file.writestr("labels.npy", labels.getvalue())
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (head("(2, 100000000000)"), "800,000,000,000 bytes, but the file holds 0"),
        (head("(99999999999999, 99999999999999)"), "but the file holds 0 of them"),
        (head("(2, -1)"), r"the shape \(2, -1\)"),
        (head("(2, 3)", "|O") + b"x" * 100, "holds pickled objects, which are not loaded"),
        (head("(2, 3)", pad=60_000, version=b"\x02\x00"), "cannot be read as .npz"),
        (head("(2, 3)", pad=200_000, version=b"\x02\x00"), "has a header of 200,"),
        (head("(1000000000000, 0)"), "at least one row"),
        (head("2"), "cannot be read as .npz"),
        (head("(2, 3)", "nonsense"), "cannot be read as .npz"),
        (b"\x93NUMPY", "cannot be read as .npz"),
        (b"", "cannot be read as .npz"),
    ],
)
def test_heads_that_say_what_cannot_be(content: bytes, message: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", content)
    with pytest.raises(DataError, match=message):
        open_source(path)
    if "row" not in message:
        with pytest.raises(npz.UNPACKABLE):
            npz.load_arrays(path)


def test_nothing_is_unpacked_that_memory_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte of zeros in a kilobyte, where half a megabyte is free."""
    path = archive(tmp_path / "a.npz", head("(2, 125000)") + bytes(10**6), compressed=True)
    assert path.stat().st_size < 10_000
    assert open_source(path).read(0)[0].shape == (125_000,)

    class Little:
        available = 500_000

    monkeypatch.setattr("psutil.virtual_memory", Little)
    monkeypatch.setattr("numpy.lib.format.read_array", lambda *_, **__: pytest.fail("unpacked"))
    for opened in (open_source, npz_file.shown_rows):
        with pytest.raises(Exception, match=r"its arrays unpack to 0.0 GB, but only 0.0 GB of"):
            opened(path)


def test_a_member_that_says_more_than_deflate_can_make(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", head("(2, 3)") + bytes(24), compressed=True)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 2**31)  # what it unpacks to
    path.write_bytes(content)
    with pytest.raises(DataError, match="bytes unpack to 2,147,483,648"):
        open_source(path)


def test_arrays_of_any_version_of_the_format(tmp_path: Path) -> None:
    for number, version in enumerate((b"\x01\x00", b"\x02\x00", b"\x03\x00")):
        content = head("(2, 3)", version=version, pad=53) + np.ones(6, "<f4").tobytes()
        path = archive(tmp_path / f"{number}.npz", content)
        assert tensor_of(data.read_batch(open_source(path), range(2))).sum() == 6


def test_only_what_is_asked_for_is_unpacked(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=VALUES, other=np.array([{"a": 1}], object), more=VALUES)
    assert set(npz.array_names(tmp_path / "a.npz")) == {"inputs", "other", "more"}
    assert list(npz.load_arrays(tmp_path / "a.npz", {"inputs", "labels"})) == ["inputs"]
    with pytest.raises(ValueError, match="other holds pickled objects"):
        npz.load_arrays(tmp_path / "a.npz")
