"""Which weights of a file are taken, who reads it, and files of other formats."""

import io
import json
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import vog
import world
from vog.checkpoints import (
    Reader,
    find_checkpoints,
    read_weights,
    refuse_mixed_keys,
    stand_in_name,
    weights_digest,
)
from vog.checkpoints.readers.leveldb_table import MAGIC
from vog.cli import main
from vog.errors import CheckpointError, FunctionError
from vog.inspection.inspector import inspector

STATE, OTHER = world.weights(2)


def saved(folder: Path, content: Any) -> Path:
    torch.save(content, folder / "1.pt")
    return folder / "1.pt"


def same(found: Any, state: Any = STATE) -> bool:
    return weights_digest(found) == weights_digest(state)


@pytest.mark.parametrize("beside", [None, Path("a")], ids=["by torch", "by ours"])
@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("ema", {"state_dict": STATE, "ema": OTHER}),
        ("state.model", {"state": {"model": OTHER, "optimizer": {}}}),
        ("state.model", {"state": {"model": STATE}, "state.model": OTHER}),
        ("a.b.c", {"a": {"b": {"c": STATE}, "b.c": STATE}, "a.b": {"c": OTHER}}),
        ("1", {"1": OTHER, "0": STATE}),
        (
            "ema_model",
            {
                f"{p}.{k}": v
                for p, s in (("model", STATE), ("ema_model", OTHER))
                for k, v in s.items()
            },
        ),
        ("state_dict.ema", {"state_dict": {f"ema.{k}": v for k, v in OTHER.items()} | STATE}),
    ],
)
def test_a_key_says_which_weights_are_meant(
    tmp_path: Path, key: str, content: dict[str, Any], beside: Path | None
) -> None:
    path = saved(tmp_path, {**content, "arguments": beside})
    contents = Reader(weights=key).contents(path)
    assert same(contents.weights, OTHER)
    assert (contents.key, contents.note) == (key, None)


def test_a_key_names_the_modules_of_a_pickled_one(tmp_path: Path) -> None:
    module = nn.Module()
    module.online, module.teacher = world.build(), world.build()
    module.teacher.load_state_dict(OTHER)
    path = saved(tmp_path, {"model": module})
    assert same(Reader(weights="model.teacher")(path), OTHER)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "model",
            r"weights='model' is not in the file, .* keys state_dict, optimizer, x. Choose weights",
        ),
        ("optimizer", "weights 'optimizer' names a dict .* which is no weights"),
        ("state_dict.0.weight", "names a tensor, which is no weights"),
        ("", "weights '' names a dict .* which is no weights"),
    ],
)
def test_a_key_without_weights_is_refused(tmp_path: Path, key: str, message: str) -> None:
    content = {"state_dict": STATE, "optimizer": {"groups": [1]}, "x": {"ema": OTHER}}
    with pytest.raises(CheckpointError, match=message) as caught:
        Reader(weights=key)(saved(tmp_path, content))
    assert "Choose weights from 'state_dict', 'x.ema'" in str(caught.value)


def test_what_was_taken_of_several_is_said(tmp_path: Path) -> None:
    contents = Reader().contents(saved(tmp_path, {"model": STATE, "model_ema": OTHER}))
    assert same(contents.weights)
    assert contents.note == "took 'model' (also there: 'model_ema'; choose by weights)"


@pytest.mark.parametrize(
    ("beside", "note"),
    [
        ({"ema": OTHER}, "took the top level ('') (also there: 'ema'; choose by weights)"),
        (
            {"norm": {"mean": torch.zeros(3), "std": torch.ones(3)}, "arch": "a"},
            "took the top level ('') (also there: 'norm'; choose by weights); "
            "left aside arch: no tensors",
        ),
    ],
)
def test_tensors_of_the_top_level_win_over_dicts_beside_them(
    tmp_path: Path, beside: dict[str, Any], note: str
) -> None:
    path = saved(tmp_path, {**STATE, **beside})
    contents = Reader().contents(path)
    assert same(contents.weights)
    assert (contents.key, contents.note) == ("", note)
    assert same(Reader(weights="").contents(path).weights)


def test_one_tensor_beside_the_weights_is_no_top_level(tmp_path: Path) -> None:
    path = saved(tmp_path, {"backbone": STATE, "class_weights": torch.ones(3)})
    assert same(read_weights(path))


def test_several_without_a_usual_name_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {"teacher": STATE, "student": OTHER})
    with pytest.raises(CheckpointError, match="Choose weights from 'teacher', 'student'"):
        read_weights(path)


def test_values_that_are_no_tensors_are_left_aside_with_a_word(tmp_path: Path) -> None:
    contents = Reader().contents(saved(tmp_path, {**STATE, "n_averaged": 3, "arch": "a"}))
    assert same(contents.weights)
    assert contents.note == "left aside n_averaged, arch: no tensors"


def test_numbers_of_a_log_are_not_taken_for_weights(tmp_path: Path) -> None:
    content = {
        "net_weights": STATE,
        "metrics": {"loss": torch.tensor(0.5)},
        "loss": torch.tensor(1),
    }
    contents = Reader().contents(saved(tmp_path, content))
    assert same(contents.weights)
    assert (contents.key, contents.note) == ("net_weights", None)


@pytest.mark.parametrize("beside", [None, Path("a")], ids=["by torch", "by ours"])
def test_metadata_and_extra_states_stay(tmp_path: Path, beside: Path | None) -> None:
    state = world.build().state_dict()
    state["_extra_state"] = {"scale": torch.tensor(2.0), "steps": [1, 2], "mean": np.float32(0.5)}
    found = read_weights(saved(tmp_path, {"model": state, "arguments": beside}))
    assert isinstance(found, OrderedDict)
    assert vars(found)["_metadata"] == vars(state)["_metadata"]
    assert found["_extra_state"] == state["_extra_state"]
    assert stand_in_name(found["_extra_state"]) is None


def test_an_object_in_an_extra_state_is_named(tmp_path: Path) -> None:
    found = read_weights(saved(tmp_path, {**STATE, "_extra_state": {"where": [Path("a")]}}))
    assert stand_in_name(found["_extra_state"]) in ("pathlib.PosixPath", "pathlib.WindowsPath")


def test_checkpoints_with_weights_in_different_places_are_refused(tmp_path: Path) -> None:
    refuse_mixed_keys({Path("1.pt"): "model", Path("2.pt"): "model"})
    with pytest.raises(
        CheckpointError, match="'model' of 1.pt, all of 2.pt. Choose one by weights.*read="
    ):
        refuse_mixed_keys({Path("1.pt"): "model", Path("2.pt"): ""})


def read_npz(path: Path) -> dict[str, np.ndarray]:
    if path.name == "none.npz":
        return {}
    with np.load(path) as arrays:
        return dict(arrays)


def test_a_function_of_the_users_reads(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {name: value.numpy() for name, value in STATE.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    for function in (read_npz, f"{__file__}:read_npz"):
        assert same(Reader(read=function)(tmp_path / "a.npz"))
    with pytest.raises(FunctionError, match="read .* failed: FileNotFoundError"):
        Reader(read=read_npz)(tmp_path / "b.npz")
    with pytest.raises(
        CheckpointError, match="returns a dict with the keys .*; expected the weight"
    ):
        Reader(read=read_npz)(tmp_path / "none.npz")
    assert Reader().question() == {}
    asked = Reader("a.b", read_npz).question()
    assert asked["weights"] == "a.b"
    assert asked["read"].startswith("test_select_weights.read_npz ")


def arrays_of_state() -> dict[str, Any]:
    return {name: value.numpy() for name, value in STATE.items()}


def test_archives_of_arrays_are_read_by_name(tmp_path: Path) -> None:
    for step in (3, 20):
        np.savez(tmp_path / f"step-{step}.npz", **arrays_of_state(), names=np.array(["a"]))
    ema: dict[str, Any] = {f"ema.{name}": value.numpy() for name, value in OTHER.items()}
    np.savez_compressed(tmp_path / "other.pt", **ema)
    contents = Reader().contents(tmp_path / "step-3.npz")
    assert same(contents.weights)
    assert (contents.key, contents.note) == ("", "left aside names: no tensors")
    (tmp_path / "other.pt.npz").rename(tmp_path / "other")
    assert same(Reader(weights="ema")(tmp_path / "other"), OTHER)
    assert [file.step for file in find_checkpoints([tmp_path])] == [3, 20]


def test_archives_of_data_beside_checkpoints_are_none(tmp_path: Path) -> None:
    world.save_checkpoints(tmp_path / "c", 2)
    np.savez(tmp_path / "c/cifar10.npz", images=np.ones(3))
    assert [file.path.suffix for file in find_checkpoints([tmp_path / "c"])] == [".pt", ".pt"]


@pytest.mark.parametrize("kind", ["objects", "cut off", "no archive", "a header that lies"])
def test_archives_of_arrays_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.npz"
    arrays: dict[str, Any] = (
        {"a": np.array([{}], object)} if kind == "objects" else arrays_of_state()
    )
    np.savez(path, **arrays)
    content = path.read_bytes()
    if kind == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "no archive":
        path.write_bytes(b"PK and no more")
    elif kind == "a header that lies":
        with zipfile.ZipFile(path, "w") as archive:
            stream = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                stream, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
            )
            archive.writestr("a.npy", stream.getvalue())
    with pytest.raises(CheckpointError, match="a.npz is a damaged archive .*Save it again, or"):
        read_weights(path)


def test_a_key_applies_to_what_the_function_returns(tmp_path: Path) -> None:
    reader = Reader("b", lambda path: {"a": STATE, "b": OTHER})
    assert same(reader(tmp_path / "anything"), OTHER)


def test_folders_are_passed_to_the_function_as_they_match(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    for step, state in enumerate(world.weights(3)):
        (tmp_path / f"c/step-{step}").mkdir(parents=True)
        for name, value in state.items():
            np.save(tmp_path / f"c/step-{step}/{name}.npy", value.numpy())

    def from_folder(path: Path) -> dict[str, np.ndarray]:
        return {file.stem: np.load(file) for file in path.iterdir()}

    world.save_checkpoints(tmp_path / "plain", 3)
    runs = [
        vog.score(
            world.build,
            tmp_path / where,
            digits,
            tmp_path / out,
            scores="vog",
            quiet=True,
            read=read,
        )
        for where, out, read in (
            ("plain", "1", None),
            ("c", "2", from_folder),
            ("c/step-*", "3", from_folder),
        )
    ]
    tables = [run.table(["vog@all"]) for run in runs]
    assert tables[0] == tables[1] == tables[2]
    assert "read" not in runs[0].question
    assert runs[1].question["read"] == runs[2].question["read"]


def test_the_key_is_in_the_question(tmp_path: Path, digits: tuple[np.ndarray, np.ndarray]) -> None:
    for step, (state, average) in enumerate(
        zip(world.weights(3), world.weights(3, 5), strict=True)
    ):
        torch.save({"model": state, "ema": average}, tmp_path / f"step-{step}.pt")
    where = str(tmp_path / "*.pt")
    run = vog.score(
        world.build, where, digits, tmp_path / "1", scores="vog", quiet=True, weights="ema"
    )
    assert run.question["weights"] == "ema"
    with pytest.raises(vog.VogError, match="answers another question"):
        vog.score(world.build, where, digits, tmp_path / "1", scores="vog", quiet=True)


FOREIGN = {
    "HDF5": ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "an HDF5 file, as Keras"),
    "Keras": ("a.keras", {"config.json": b"{}", "model.weights.h5": b"x"}, "a file of Keras"),
    "TensorFlow's index": ("a.index", bytes(40) + MAGIC, "TensorFlow"),
    "TensorFlow's data": ("a.ckpt-1.data-00000-of-00001", b"abcd", "a data file of TensorFlow"),
    "an adapter": (
        "adapter_model.safetensors",
        b"x",
        "an adapter of PEFT.* that model with the adapter",
    ),
    "TensorFlow's V1": ("a.ckpt-1", bytes(40) + MAGIC, "a TensorFlow checkpoint of the first ver"),
    "a part of DCP": (
        "__0_0.distcp",
        {"archive/data.pkl": b"x"},
        "a part of a distributed .*Give the folder",
    ),
    "GGUF": ("a.bin", b"GGUF\x03\0\0\0", "a GGUF file"),
    "ONNX": ("a.onnx", b"\x08\x07\x12\x07pytorch", "an ONNX file"),
    "an array": ("a.npy", b"\x93NUMPY\x01\0", "one NumPy array"),
    "git-lfs": ("a.pt", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    "HTML": ("a.pt", b"\n<!DOCTYPE html><html>", "a web page and no checkpoint"),
    "JSON": ("a.bin", b'{"a": 1}', "a JSON text"),
    "gzip": ("a.pt.gz", b"\x1f\x8b\x08", "compressed by gzip. Unpack"),
    "a zip archive": ("a.pt", {"a.txt": b"x"}, "a zip archive, and not one of torch.save"),
    "torch.export": ("a.pt2", {"a/archive_format": b"pt2"}, "a program of torch.export"),
    "nothing": ("a.pt", b"", r"it is empty \(0 bytes\)"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_formats_are_named(tmp_path: Path, kind: str) -> None:
    name, content, message = FOREIGN[kind]
    if isinstance(content, dict):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for record, data in content.items():
                archive.writestr(record, data)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_weights(tmp_path / name)
    assert "weights_only" not in str(caught.value)


def test_torchscript_and_tar_are_named(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "1.pt")
    with pytest.raises(CheckpointError, match=r"TorchScript archive.*state_dict\(\)"):
        read_weights(tmp_path / "1.pt")
    with tarfile.open(tmp_path / "2.pt", "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    with pytest.raises(CheckpointError, match="a tar archive.*before version 0.1.10"):
        read_weights(tmp_path / "2.pt")


def test_safetensors_under_another_name(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "model.bin")
    assert same(read_weights(tmp_path / "model.bin"))


def test_permission_denied_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "1.pt")

    path = saved(tmp_path, STATE)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CheckpointError, match="cannot be read: permission denied") as caught:
        read_weights(path)
    assert "damaged" not in str(caught.value)


INDEXES = {
    "no JSON": "{",
    "deep": "[" * 100_000,
    "a list": [],
    "without a map": {},
    "an empty map": {"weight_map": {}},
    "a map that is a list": {"weight_map": ["a"]},
    "a file that is a number": {"weight_map": {"a": 1}},
    "a file that is a list": {"weight_map": {"a": ["b.bin"]}},
    "itself": {"weight_map": {"a": "a.index.json"}},
    "a long name": {"weight_map": {"a": "x" * 5000 + ".bin"}},
    "outside": {"weight_map": {"a": "../secret.bin"}},
    "outside by two": {"weight_map": {"a": "b/../../secret.bin"}},
    "absolute": {"weight_map": {"a": "/secret.bin"}},
    "of Windows": {"weight_map": {"a": "..\\secret.bin"}},
    "with a zero": {"weight_map": {"a": "a\0.bin"}},
}


@pytest.mark.parametrize("kind", INDEXES)
def test_an_index_of_another_form(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret.bin").write_bytes(b"x")
    (tmp_path / "c").mkdir()
    index = tmp_path / "c/a.index.json"
    content = INDEXES[kind]
    index.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(CheckpointError, match="is no index of shards") as caught:
        read_weights(index)
    assert len(str(caught.value)) < 600


def test_an_index_names_tensors_that_its_shards_lack(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "1.safetensors")
    index = {"weight_map": {"a": "1.safetensors", "b": "1.safetensors"}}
    (tmp_path / "a.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="names 1 tensors that its shards lack: b"):
        read_weights(tmp_path / "a.index.json")


def odd_tensors() -> dict[str, torch.Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CSR is in beta, quantized types are deprecated
        whole = torch.arange(12.0).reshape(3, 4)
        return {
            "coo": whole.to_sparse(),
            "csr": whole.to_sparse_csr(),
            "csc": whole.to_sparse_csc(),
            "bsr": whole.to_sparse_bsr((1, 2)),
            "quantized": torch.quantize_per_tensor(whole, 0.1, 3, torch.quint8),
            "by channel": torch.quantize_per_channel(
                whole, torch.ones(3), torch.zeros(3), 0, torch.qint8
            ),
            "float8": whole.to(torch.float8_e4m3fn),
            "bfloat16": whole.bfloat16(),
            "unsigned": whole.to(torch.uint16),
            "complex": torch.complex(whole, whole),
            "conjugate": torch.complex(whole, whole).conj(),
            "negative": torch.complex(whole, whole).conj().imag,
            "one number": torch.tensor(3.0),
            "nothing": torch.zeros(0, 3),
            "transposed": whole.T,
            "strided": whole[:, ::2],
            "expanded": whole[:1].expand(5, 4),
            "truth": whole > 3,
        }


@pytest.mark.parametrize("name", odd_tensors())
def test_odd_tensors_are_read_and_digested(tmp_path: Path, name: str) -> None:
    value = odd_tensors()[name]
    found = {}
    for beside in (None, Path("a")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = saved(tmp_path, {"state_dict": {"a": value}, "arguments": beside})
        found[beside] = read_weights(path)
        assert found[beside]["a"].dtype == value.dtype
        assert found[beside]["a"].layout == value.layout
        assert weights_digest(found[beside]) == weights_digest({"a": value})
    changed = {"a": odd_tensors()["one number"] if name == "nothing" else torch.zeros(3, 4)}
    assert weights_digest(changed) != weights_digest({"a": value})


def test_the_digest_of_dense_tensors_is_what_it_was() -> None:
    assert weights_digest({"b": torch.arange(3), "a": torch.ones(2, 2)}) == (
        "6269ebc2fa4c8800ad7410aea97b54bc9008ff094561853486ee84ea17a544c4"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("on the meta device", torch.zeros(2, device="meta")),
        ("stands for 1,000,000,000,000 values", torch.zeros(1).expand(10**12)),
        ("is a nested tensor", None),
    ],
)
def test_tensors_without_numbers_are_refused_by_name(
    tmp_path: Path, name: str, value: torch.Tensor | None
) -> None:
    if value is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nested tensors are in a prototype
            value = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
    for beside in (None, Path("a")):
        path = saved(tmp_path, {"state_dict": {**STATE, "odd": value}, "arguments": beside})
        with pytest.raises(CheckpointError, match=f"has no numbers for odd: .*{name}"):
            read_weights(path)
    with pytest.raises(CheckpointError, match=f"the tensor odd .*{name}"):
        weights_digest({"odd": value})


def test_indices_beyond_a_sparse_tensor_are_refused(tmp_path: Path) -> None:
    sparse = torch.sparse_coo_tensor(
        torch.tensor([[0, 9]]), torch.tensor([1.0, 2.0]), (4,), check_invariants=False
    )
    with pytest.raises(CheckpointError, match="a sparse tensor whose indices do not fit"):
        read_weights(saved(tmp_path, {"a": sparse}))


def test_extra_states_are_part_of_the_digest() -> None:
    states = [{"a": 1}, {"a": 2}, {"a": torch.ones(1)}, [1], None, np.ones(2), {1, 2}, b"a"]
    assert len({weights_digest({"_extra_state": state}) for state in states}) == len(states)
    assert weights_digest({"_extra_state": object()}) == weights_digest({"_extra_state": object()})


def save_two(folder: Path, count: int = 3) -> None:
    folder.mkdir(exist_ok=True)
    pairs = zip(world.weights(count), world.weights(count, 5), strict=True)
    for step, (state, average) in enumerate(pairs):
        torch.save({"model": state, "ema": average}, folder / f"step-{step}.pt")


@pytest.mark.slow
def test_the_plan_says_what_was_taken_and_what_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_two(tmp_path / "c")
    (tmp_path / "c/last.pt").symlink_to("step-2.pt")
    data = world.save_npz(tmp_path / "d.npz", 8)
    words = ["score", "--model", f"{world.__file__}:build", "--checkpoints", str(tmp_path / "c")]
    words += ["--data", str(data), "--out", str(tmp_path / "run"), "--dry-run"]
    for more in ([], ["--weights", "ema"]):
        monkeypatch.setattr("sys.argv", ["vog", *words, *more])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    first, second = capsys.readouterr().err.split("\ncheckpoints ")[1:]
    assert "taken        took 'model' (also there: 'ema'; choose by --weights)" in first
    assert "left out     last.pt (the same as step-2.pt)" in first
    assert "taken" not in second
    assert "left out" in second


def test_files_whose_weights_are_in_different_places_stop_the_run(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    save_two(tmp_path / "c")
    torch.save({"ema": STATE}, tmp_path / "c/step-1.pt")
    with pytest.raises(CheckpointError, match="in different places: 'model' of .*, 'ema' of"):
        vog.score(world.build, tmp_path / "c", digits, tmp_path / "run", quiet=True)
    with pytest.raises(CheckpointError, match="step-1.pt: weights='model' is not in the file"):
        vog.score(
            world.build, tmp_path / "c", digits, tmp_path / "run", quiet=True, weights="model"
        )


def read_ema(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


@pytest.mark.slow
def test_an_example_is_seen_again_under_the_weights_that_were_meant(
    tmp_path: Path, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    save_two(tmp_path / "c")
    for out, function in (("1", None), ("2", f"{__file__}:read_ema"), ("3", read_ema)):
        run = vog.score(
            world.build,
            tmp_path / "c",
            digits,
            tmp_path / out,
            scores="vog",
            quiet=True,
            weights="ema",
            read=function,
        )
        again = inspector(run, model=world.build, data=digits, read=function)(0)
        assert again.vog == pytest.approx(run.table(["vog@all"]).column(0)[0].as_py(), rel=1e-5)
        assert again.differs == ()
    lost = inspector(run, model=world.build, data=digits)
    with pytest.raises(
        vog.VogError, match="does not name its read, .* Give read='file.py:function'"
    ):
        lost(0)


def test_an_array_of_a_type_that_torch_lacks_is_not_called_damage(tmp_path: Path) -> None:
    path = saved(tmp_path, STATE)
    reader = Reader(read=lambda path: {"a": np.zeros(3, np.longdouble)})
    with pytest.raises(CheckpointError, match=r"1.pt: 'a' is an array of the type float\d+, which"):
        reader(path)
