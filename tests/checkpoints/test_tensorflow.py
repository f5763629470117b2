"""Checkpoints of TensorFlow, which wrote those in `tensorflow/`: see `recipe.py` there."""

import itertools
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from bundle_damage import outcome
from bundle_files import TYPES, Entry, Table, fixed32, header, message, number, write_bundle
from vog.checkpoints import Reader, find_checkpoints, search, stamp, weights_digest
from vog.checkpoints.readers.crc32c import crc32c, masked_crc32c
from vog.checkpoints.readers.leveldb_table import MAGIC, read_table
from vog.checkpoints.readers.ordered_code import slice_key
from vog.checkpoints.readers.protobuf_wire import read_fields
from vog.checkpoints.readers.tensorflow_bundle import Bundle, open_bundle
from vog.checkpoints.safe_pickle import Unreadable
from vog.errors import CheckpointError

WRITTEN = Path(__file__).parent / "tensorflow"
ENDING = "/.ATTRIBUTES/VARIABLE_VALUE"


def bits(value: torch.Tensor) -> bytes:
    return b"" if not value.numel() else value.reshape(-1).view(torch.uint8).numpy().tobytes()


def everything(bundle: Bundle) -> dict[str, bytes]:
    return {name: bits(bundle.read(name)) for name in bundle.entries}


@pytest.mark.parametrize("name", sorted(path.stem for path in WRITTEN.glob("*.npz")))
def test_every_tensor_is_what_tensorflow_reads(name: str) -> None:
    bundle = open_bundle(WRITTEN / f"{name}.index")
    with np.load(WRITTEN / f"{name}.npz") as expected:
        assert set(expected.files) == set(bundle.entries)
        for variable in expected.files:
            value = bundle.read(variable)
            if variable == "kinds/bf2":
                assert value.dtype == torch.bfloat16
                value = value.float()
            array = torch.from_numpy(expected[variable])
            assert (value.dtype, value.shape) == (array.dtype, array.shape)
            assert bits(value) == bits(array), variable


def test_the_written_checkpoints_are_what_they_are_for() -> None:
    kinds = {
        name: len(open_bundle(WRITTEN / f"{name}-1.index").shards)
        for name in ("one", "three", "five")
    }
    assert kinds == {"one": 1, "three": 3, "five": 5}
    partitioned = open_bundle(WRITTEN / "partitioned-1.index")
    assert len(partitioned.slices) == 7
    counts = {name: len(entry.slices) for name, entry in partitioned.entries.items()}
    assert counts == {"rows": 3, "columns": 2, "many": 2, "whole": 0}


def test_variables_of_the_optimizer_are_left_aside_with_a_word() -> None:
    contents = Reader().contents(WRITTEN / "network-10.index")
    with np.load(WRITTEN / "network-10.npz") as expected:
        names = ["conv/bias", "conv/kernel", "dense/bias", "dense/kernel"]
        assert list(contents.weights) == names
        assert all(np.array_equal(contents.weights[name], expected[name]) for name in names)
    assert contents.key == ""
    assert contents.note is not None
    states, averages = contents.note.split("; left aside ")
    assert states.startswith("left aside conv/bias/Momentum, conv/kernel/Momentum")
    assert states.endswith(": not weights of the model")
    assert "conv/bias/ExponentialMovingAverage" in averages
    assert averages.endswith("averages; take them by weights='ExponentialMovingAverage'")


def test_averages_take_the_place_of_the_variables() -> None:
    reader = Reader(weights="ExponentialMovingAverage")
    contents = reader.contents(WRITTEN / "network-10.index")
    with np.load(WRITTEN / "network-10.npz") as expected:
        for name, value in contents.weights.items():
            average = expected[f"{name}/ExponentialMovingAverage"]
            assert np.array_equal(value, average)
            assert not np.array_equal(value, expected[name])
    assert len(contents.weights) == 4
    assert contents.key == "ExponentialMovingAverage"
    assert "averages" not in (contents.note or "")
    every = Reader(weights="").contents(WRITTEN / "network-10.index")
    assert len(every.weights) == 13


def test_a_variable_without_average_stays(tmp_path: Path) -> None:
    arrays = {name: np.full(2, at) for at, name in enumerate(["a", "a/mine", "b", "c/Momentum"])}
    path = write_bundle(tmp_path / "m-1", arrays)
    weights = Reader(weights="mine")(path)
    assert {name: int(value[0]) for name, value in weights.items()} == {
        "a": 1,
        "b": 2,
        "c/Momentum": 3,
    }


def test_a_suffix_that_no_variable_has() -> None:
    with pytest.raises(
        CheckpointError,
        match="weights='EMA': no variable .*There are: ExponentialMovingAverage, Momentum. Give",
    ):
        Reader(weights="EMA")(WRITTEN / "network-1.index")
    with pytest.raises(CheckpointError, match="No variable has a suffix"):
        Reader(weights="EMA")(WRITTEN / "partitioned-1.index")


def test_names_of_objects() -> None:
    contents = Reader().contents(WRITTEN / "objects-1.index")
    with np.load(WRITTEN / "objects-1.npz") as expected:
        names = ["blocks/0", "blocks/1", "layer/bias", "layer/kernel"]
        assert list(contents.weights) == names
        assert all(np.array_equal(contents.weights[n], expected[n + ENDING]) for n in names)
    assert all(
        word in (contents.note or "")
        for word in ("layer/bias/.OPTIMIZER_SLOT/optimizer/momentum", "save_counter", "_CHECKPOINT")
    )


SLOTS = ["Momentum", "Adam", "Adam_1", "RMSProp", "RMSProp_1", "Adagrad", "Ftrl_1", "Adadelta"]


@pytest.mark.parametrize("slot", SLOTS)
def test_slots_of_a_variable_and_variables_named_like_them(tmp_path: Path, slot: str) -> None:
    names = ["w", f"w/{slot}", f"other/{slot}", "w/kernel", "beta1_power", "beta2_power_1"]
    path = write_bundle(tmp_path / "m", {name: np.ones(1) for name in names})
    assert list(Reader()(path)) == [f"other/{slot}", "w", "w/kernel"]


def copied(folder: Path, steps: dict[str, str] | None = None) -> Path:
    """Copy the network into a folder as TensorFlow leaves it, with steps 3753 and 30024."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in (steps or {"1": "model.ckpt-3753", "10": "model.ckpt-30024"}).items():
        for ending in (".index", ".data-00000-of-00001"):
            shutil.copy(WRITTEN / f"network-{source}{ending}", folder / f"{name}{ending}")
        (folder / f"{name}.meta").write_bytes(b"graph")
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-30024"\n')
    (folder / "graph.pbtxt").write_text("node {}\n")
    (folder / "events.out.tfevents.1626262.host").write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    "specs",
    [
        [""],
        ["*"],
        ["model.ckpt-*"],
        ["model.ckpt-?????", "model.ckpt-3753"],
        ["model.ckpt-*.index"],
        ["model.ckpt-*.data*"],
        ["model.ckpt-*.meta"],
        ["model.ckpt-3753", "model.ckpt-30024"],
        ["model.ckpt-3753.index", "model.ckpt-30024.data-00000-of-00001"],
        ["@order.txt"],
    ],
)
def test_all_names_of_a_checkpoint_mean_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, specs: list[str]
) -> None:
    copied(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("order.txt").write_text("model.ckpt-3753\nmodel.ckpt-30024.meta\n")
    files = find_checkpoints([spec or str(tmp_path) for spec in specs])
    assert [(file.step, file.path.name) for file in files] == [
        (3753, "model.ckpt-3753.index"),
        (30024, "model.ckpt-30024.index"),
    ]


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        ({"1": "ckpt-3", "10": "ckpt-20"}, [3, 20]),
        ({"1": "cp-0001.ckpt", "10": "cp-0010.ckpt"}, [1, 10]),
        ({"1": "epoch_4/model.ckpt", "10": "epoch_11/model.ckpt"}, [4, 11]),
    ],
)
def test_steps_of_other_names(tmp_path: Path, names: dict[str, str], steps: list[int]) -> None:
    for name in names.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
    copied(tmp_path, names)
    assert [file.step for file in find_checkpoints([tmp_path])] == steps


@pytest.mark.parametrize("spec", ["", "*", "export_*", "@order.txt"])
@pytest.mark.parametrize("name", ["export_{}", "{}"])
def test_folders_of_saved_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "{}" and spec == "export_*":
        spec = "[0-9]*"
    for source, step in (("1", 5), ("10", 40)):
        folder = tmp_path / name.format(step)
        copied(folder / "variables", {source: "variables"})
        (folder / "saved_model.pb").write_bytes(b"graph")
    Path("order.txt").write_text(f"{name.format(5)}\n{name.format(40)}/\n")
    files = find_checkpoints([spec or str(tmp_path)])
    assert [file.step for file in files] == [5, 40]
    assert {file.path.name for file in files} == {"variables.index"}
    assert len(Reader()(files[0].path)) == 4


def test_a_reader_takes_any_name() -> None:
    paths = [WRITTEN / f"network-1{end}" for end in ("", ".index", ".data-00000-of-00001")]
    assert len({weights_digest(Reader()(path)) for path in paths}) == 1


def test_a_changed_data_file_is_noticed(tmp_path: Path) -> None:
    copied(tmp_path)
    index, data = (tmp_path / f"model.ckpt-3753{end}" for end in (".index", ".data-00000-of-00001"))
    before = stamp(index)
    shutil.copy(data, tmp_path / "copy")
    assert stamp(index) == before
    data.write_bytes((tmp_path / "copy").read_bytes()[:-1] + b"x")
    assert stamp(index) != before


def test_data_files_that_are_missing_short_or_damaged(tmp_path: Path) -> None:
    for path in WRITTEN.glob("three-1.*"):
        shutil.copy(path, tmp_path)
    index, data = tmp_path / "three-1.index", tmp_path / "three-1.data-00001-of-00003"
    content = data.read_bytes()
    data.write_bytes(content[:-1])
    with pytest.raises(
        CheckpointError, match="three-1.data-00001-of-00003 has 95 bytes, and .* 96"
    ):
        Reader()(index)
    data.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="checksum of .* in three-1.data-00001-of-00003 does"):
        Reader()(index)
    data.unlink()
    with pytest.raises(CheckpointError, match="three-1.data-00001-of-00003 is missing. Copy all"):
        Reader()(index)


def test_the_checksum_is_the_one_of_the_standard() -> None:
    """RFC 3720, B.4; and a mask of LevelDB: `Mask(crc32c("foo"))` is not `crc32c("foo")`."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    crc = crc32c(b"foo")
    assert masked_crc32c(b"foo") == ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32


def bit_by_bit(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize("size", [0, 1, 7, 8, 511, 512, 1023, 1024, 1025, 65536, 131072, 140001])
def test_the_checksum_of_any_length(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    assert crc32c(data) == crc32c(data.tobytes()) == bit_by_bit(data.tobytes())


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, "80"),
        (63, "bf"),
        (-1, "7f"),
        (-64, "40"),
        (64, "c040"),
        (8191, "dfff"),
        (8192, "e02000"),
        (-65, "3fbf"),
        (2**62, "ffc04000000000000000"),
    ],
)
def test_numbers_in_ordered_code(value: int, code: str) -> None:
    """As in TensorFlow's `ordered_code_test.cc`: the first bits are ones, as many as bytes."""
    assert slice_key(b"", [(value, 0)])[5:-1].hex() == code


def test_the_key_of_a_slice() -> None:
    assert slice_key(b"a\0b\xff", [(0, -1)]) == b"\0a\0\xffb\xff\0\0\1\1\1\x80\x7f"


def test_a_checkpoint_written_by_hand(tmp_path: Path) -> None:
    """One variable `a`, the float 1.0; each byte stands in the formats of LevelDB and protobuf."""
    value = bytes.fromhex("0000803f")
    entry = bytes.fromhex("0801 1204 1202 0801 2804 35") + masked_crc32c(value).to_bytes(
        4, "little"
    )
    block = bytes.fromhex("000002 0801 000112") + b"a" + entry + bytes.fromhex("00000000 01000000")
    block = block.replace(b"\0\1\x12", bytes([0, 1, len(entry)]), 1)
    sealed = block + b"\0" + masked_crc32c(block + b"\0").to_bytes(4, "little")
    handle = bytes([0, len(block)])
    of_index = b"\0\1\2b" + handle + bytes.fromhex("00000000 01000000")
    footer_index = bytes([len(sealed), len(of_index)])
    sealed += of_index + b"\0" + masked_crc32c(of_index + b"\0").to_bytes(4, "little")
    footer = (b"\0\0" + footer_index).ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")
    (tmp_path / "m-1.index").write_bytes(sealed + footer)
    (tmp_path / "m-1.data-00000-of-00001").write_bytes(value)
    assert Reader()(tmp_path / "m-1.index") == {"a": torch.tensor([1.0])}


NAMES = st.text("abc/_.\0ÿé", min_size=1).filter(lambda name: name[0] != "\0")
ARRAYS = arrays_of.arrays(
    st.sampled_from(sorted(TYPES)), arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4)
)


@given(
    st.dictionaries(NAMES, ARRAYS, min_size=1),
    st.integers(1, 5),
    st.builds(Table, st.integers(1, 20), st.integers(1, 20)),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    arrays: dict[str, np.ndarray],
    shards: int,
    table: Table,
    big_endian: bool,
) -> None:
    prefix = tmp_path_factory.mktemp("bundle") / "m-1"
    bundle = open_bundle(write_bundle(prefix, arrays, shards, table, big_endian))
    assert set(bundle.entries) == set(arrays)
    for name, array in arrays.items():
        value = bundle.read(name)
        assert (value.numpy().dtype, value.shape) == (array.dtype, array.shape)
        assert bits(value) == array.tobytes()


@st.composite
def cuts(draw: Any) -> tuple[np.ndarray, list[list[tuple[int, int]]]]:
    """An array, and a grid of slices of it in any order; whole axes are written as such."""
    shape = draw(st.lists(st.integers(1, 100), min_size=1, max_size=2))
    sides = []
    for length in shape:
        at = sorted(draw(st.sets(st.integers(1, max(1, length - 1)), max_size=3)) | {0, length})
        pairs = [(start, stop - start) for start, stop in itertools.pairwise(at)]
        sides.append([(0, -1)] if len(pairs) == 1 else pairs)
    grid = [[*rest] for rest in _product(sides)]
    array = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    return array, draw(st.permutations(grid))


def _product(sides: list[list[tuple[int, int]]]) -> list[list[tuple[int, int]]]:
    if not sides:
        return [[]]
    return [[first, *rest] for first in sides[0] for rest in _product(sides[1:])]


@given(cuts(), NAMES)
@settings(max_examples=60, deadline=None)
def test_slices_are_joined(
    tmp_path_factory: pytest.TempPathFactory,
    cut: tuple[np.ndarray, list[list[tuple[int, int]]]],
    name: str,
) -> None:
    array, slices = cut
    parts = {
        slice_key(name.encode(), extents): array[
            tuple(slice(None) if n < 0 else slice(start, start + n) for start, n in extents)
        ]
        for extents in slices
    }
    path = sliced(tmp_path_factory.mktemp("bundle") / "m-1", name, array.shape, slices, parts)
    assert np.array_equal(open_bundle(path).read(name).numpy(), array)


def sliced(
    prefix: Path,
    name: str,
    shape: tuple[int, ...],
    slices: list[list[tuple[int, int]]],
    parts: dict[bytes, np.ndarray],
) -> Path:
    """Write a checkpoint with one variable in slices."""
    keys = {key.decode("latin-1"): part for key, part in parts.items()}

    def rename(entries: dict[bytes, Entry]) -> None:
        of_parts = {key.decode().encode("latin-1"): entry for key, entry in entries.items()}
        entries.clear()
        entries.update(of_parts)

    whole = {name.encode(): Entry(TYPES["f4"], shape, slices=slices).write()}
    return write_bundle(prefix, keys, change=rename, more=whole)


@pytest.mark.parametrize(
    ("slices", "shape", "message"),
    [
        ([[(0, 2)], [(1, 2)]], (4,), "two slices of v overlap"),
        ([[(0, 2)]], (4,), r"the slices of v have 8 bytes, not 16"),
        ([[(0, 2)], [(3, 2)]], (4,), "a slice of a variable does not fit its shape"),
        ([[(0, 2), (0, 1)]], (2,), "a slice of a variable does not fit its shape"),
        ([[(0, 2)], [(2, 2)]], (4,), "a slice of v is missing"),
    ],
)
def test_slices_that_do_not_fit(
    tmp_path: Path, slices: list[list[tuple[int, int]]], shape: tuple[int, ...], message: str
) -> None:
    kept = slices[:1] if "missing" in message else slices
    parts = {slice_key(b"v", extents): np.ones(extents[0][1], "f4") for extents in kept}
    with pytest.raises(CheckpointError, match=message):
        open_bundle(sliced(tmp_path / "m", "v", shape, slices, parts)).read("v")


def lying(**values: Any) -> Callable[[dict[bytes, Entry]], None]:
    def change(entries: dict[bytes, Entry]) -> None:
        entries[b"a"] = replace(entries[b"a"], **values)

    return change


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 2**40}, "has 1,099,511,627,776 bytes, not 12"),
        ({"shape": (2**20, 2**20)}, "has 12 bytes, not"),
        ({"shape": (2**39, 2**39)}, "an entry has the shape 549755813888, 549755813888"),
        ({"shape": (2**40, 2**40, 0), "size": 0}, "an entry has the shape"),
        (
            {"shape": (2**39,), "size": 2**41},
            "two of its entries lie at the same place",
        ),
        ({"shape": (-1,)}, "an entry has the shape -1"),
        ({"shape": (2**62, 0), "size": 0}, "an entry has the shape"),
        ({"shape": (1,) * 40}, "an entry has the shape"),
        ({"shard": 1}, "an entry lies in data file 1"),
        ({"shard": -1}, "an entry lies in data file -1"),
        ({"offset": -4}, "an entry lies in data file 0 at -4"),
        ({"offset": 8}, "two of its entries lie at the same place"),
        ({"shape": (2**39,), "size": 2**41, "offset": 20}, "and the index needs 2,199,023,255,572"),
        ({"offset": 100}, "has 20 bytes, and the index needs 112"),
        ({"checksum": 5}, "the checksum of a in m-1.data-00000-of-00001 does not fit"),
    ],
)
def test_an_index_that_lies(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    arrays = {"a": np.ones(3, "f4"), "b": np.ones(2, "f4")}
    with pytest.raises(CheckpointError, match=message):
        Reader()(write_bundle(tmp_path / "m-1", arrays, change=lying(**values)))


@pytest.mark.parametrize(
    ("table", "more", "message"),
    [
        (Table(kind=1), {}, "compressed by Snappy, which is not read"),
        (Table(kind=7), {}, "a block of the unknown kind 7"),
        (
            Table(),
            {b"": number(1, 2**31)},
            "some of its 2,147,483,648 data files is missing|claims",
        ),
        (Table(), {b"": number(1, 50)}, "some of its 50 data files"),
        (Table(), {b"": number(1, -1)}, "claims -1 data files"),
        (Table(), {b"": header(1, min_consumer=2)}, "needs a reader of version 2"),
        (Table(), {b"a": b"\xff" * 11}, "more than 64 bits"),
        (Table(), {b"a": b"\x08"}, "the bytes end within a number"),
        (Table(), {b"a": message(1, b"")}, "the field 1 of a message is no number"),
        (Table(), {b"a": b"\x0b"}, "a field of the kind 3"),
        (Table(), {b"a": b"\x12\x7f"}, "a field is longer than its message"),
        (Table(), {b"a": number(1, 1) + number(2, 3)}, "the field 2 of a message is a number"),
        (Table(), {b"a": fixed32(1, 1) + number(5, 1)}, "has 1 bytes, not 4"),
    ],
)
def test_tables_and_messages_of_another_form(
    tmp_path: Path, table: Table, more: dict[bytes, bytes], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        open_bundle(write_bundle(tmp_path / "m-1", {"a": np.ones(1)}, table=table, more=more))


def _sealed_table(block: bytes, handle: bytes | None = None) -> bytes:
    """Return a table with one block, at a place that may be a lie."""
    table = Table()
    of_index = table.block({b"x": handle or bytes([0, len(block)])})
    sealed = table.sealed(block) + table.sealed(of_index)
    handles = bytes([0, 0, len(table.sealed(block)), len(of_index)])
    return sealed + handles.ljust(40, b"\0") + MAGIC


def test_blocks_of_a_table_are_checked_before_they_are_read() -> None:
    block = Table().block({b"a": b"1", b"ab": b"2"})
    assert read_table(_sealed_table(block)) == {b"a": b"1", b"ab": b"2"}
    wrong = bytearray(_sealed_table(block))
    wrong[len(block) + 1] ^= 1
    with pytest.raises(Unreadable, match="checksum of a block does not fit"):
        read_table(bytes(wrong))
    with pytest.raises(Unreadable, match="a block of it lies beyond its end"):
        read_table(_sealed_table(block, bytes([0, 100])))


@pytest.mark.parametrize("entry", [b"\5\1\0a", b"\0\1\x50a", b"\0\x50\0a"])
def test_an_entry_that_is_longer_than_its_block(entry: bytes) -> None:
    with pytest.raises(Unreadable, match="an entry of it is longer than its block"):
        read_table(_sealed_table(entry + bytes(4) + (1).to_bytes(4, "little")))


def test_the_last_value_of_a_field_counts() -> None:
    assert read_fields(number(1, 2) + number(1, 3)).number(1) == 3


def test_a_slice_of_the_right_size_and_another_shape(tmp_path: Path) -> None:
    extents = [(0, 2), (0, 3)]
    parts = {slice_key(b"v", extents): np.ones((3, 2), "f4")}
    with pytest.raises(CheckpointError, match="of another shape or type than its variable"):
        open_bundle(sliced(tmp_path / "m", "v", (2, 3), [extents], parts)).read("v")


def test_a_table_in_circles_or_with_endless_keys(tmp_path: Path) -> None:
    table = Table(entries_in_block=1)
    index = write_bundle(tmp_path / "m-1", {"a": np.ones(1), "b": np.ones(1)}, table=table)
    data = index.read_bytes()
    block = table.block({b"x": b"", b"y": b""})
    places = {key: bytes([0, len(block)]) for key in (b"1", b"2", b"3")}
    of_index = table.block(places)
    sealed = table.sealed(block) + table.sealed(of_index)
    handles = bytes([0, 0, len(table.sealed(block)), len(of_index)])
    index.write_bytes(sealed + handles.ljust(40, b"\0") + data[-8:])
    with pytest.raises(CheckpointError, match="its keys are not in order"):
        open_bundle(index)
    long = {b"k" * 3_000 + at.to_bytes(2, "big"): b"" for at in range(1000)}
    index.write_bytes(Table(restart_interval=2000).write(long))
    assert index.stat().st_size < 20_000
    with pytest.raises(CheckpointError, match="its keys are far longer than the file"):
        open_bundle(index)


@pytest.mark.parametrize("length", [0, 7, 40, 100, 593])
def test_an_index_that_was_cut_off(tmp_path: Path, length: int) -> None:
    copied(tmp_path)
    index = tmp_path / "model.ckpt-3753.index"
    index.write_bytes(index.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"no index of TensorFlow: .*bytes\). Restore a copy"):
        Reader()(index)
    assert search([tmp_path]).files[0].path == index


def test_only_what_is_taken_is_read(tmp_path: Path) -> None:
    """The bytes of an optimizer may be damaged, as they do not count."""
    arrays = {"w": np.ones(3), "w/Momentum": np.zeros(3)}
    index = write_bundle(tmp_path / "m-1", arrays)
    data = tmp_path / "m-1.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    assert list(Reader()(index)) == ["w"]
    with pytest.raises(CheckpointError, match="the checksum of w/Momentum"):
        Reader(weights="")(index)


def test_no_weights_at_all(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no weights: global_step. Expected"):
        Reader()(write_bundle(tmp_path / "m-1", {"global_step": np.full(1, 3)}))


def test_mutated_files_are_refused_or_equal(tmp_path: Path) -> None:
    """A sample of what `campaigns/test_checkpoints.py` does."""
    ends = Counter(outcome(seed, tmp_path / str(seed)) for seed in range(150))
    assert ends["refused"] > 75
    assert set(ends) <= {"refused", "equal", "values of table", "values of block"}
