"""Folders of torch.distributed.checkpoint are read in one process, and nothing of them is run."""

import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed.checkpoint import metadata as kinds
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.filesystem import _StorageInfo

import vog
import world
from vog.checkpoints import Reader, search
from vog.errors import CheckpointError


def save(folder: Path, content: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is one process
        state_dict_saver.save(content, checkpoint_id=str(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a training that saves the model and its optimizer leaves."""
    for step, state in enumerate(world.weights(3)):
        parameter = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.Adam([parameter])
        parameter.sum().backward()
        optimizer.step()
        content = {"model": state, "optimizer": optimizer.state_dict(), "epoch": step}
        save(tmp_path / "dcp" / f"step-{step}", content)
    return tmp_path / "dcp"


def test_it_scores_as_the_same_weights_in_files_do(folder: Path, tmp_path: Path) -> None:
    world.save_checkpoints(tmp_path / "files", 3)
    data = world.inputs_and_labels(10)
    options: Any = {"scores": "vog,aum", "quiet": True}
    run = vog.score(world.build, folder, data, tmp_path / "a", **options)
    expected = vog.score(world.build, tmp_path / "files", data, tmp_path / "b", **options)
    assert np.array_equal(run.table(["vog@all"])["vog@all"], expected.table(["vog@all"])["vog@all"])
    assert [checkpoint["step"] for checkpoint in run.question["checkpoints"]] == [0, 1, 2]


@pytest.mark.parametrize("spec", ["", "step-*", "step-*/.metadata"])
def test_each_way_to_name_the_folders(spec: str, folder: Path) -> None:
    assert [file.step for file in search([folder / spec]).files] == [0, 1, 2]


def test_folders_of_accelerate(folder: Path, tmp_path: Path) -> None:
    """FSDP puts the weights below each step, beside those of the optimizer."""
    for step in range(3):
        target = tmp_path / "out" / f"checkpoint_{step}"
        shutil.copytree(folder / f"step-{step}", target / "pytorch_model_fsdp_0")
        shutil.copytree(folder / f"step-{step}", target / "optimizer_0")
        (target / "random_states_0.pkl").write_bytes(b"x")
    files = search([tmp_path / "out"]).files
    assert [file.step for file in files] == [0, 1, 2]
    assert all(file.path.parent.name == "pytorch_model_fsdp_0" for file in files)


def test_a_changed_piece_is_noticed(folder: Path) -> None:
    path = folder / "step-0" / ".metadata"
    before = vog.checkpoints.stamp(path)
    piece = next((folder / "step-0").glob("*.distcp"))
    piece.write_bytes(piece.read_bytes() + b"x")
    assert vog.checkpoints.stamp(path) != before


def write_in_pieces(folder: Path, tensor: torch.Tensor, starts: list[tuple[int, ...]]) -> None:
    """Write a tensor as several processes do: cut into pieces of 2 x 3, in several files."""
    chunks, storage = [], {}
    for number, start in enumerate(starts):
        piece = tensor[start[0] : start[0] + 2, start[1] : start[1] + 3].contiguous()
        name = f"__{number}_0.distcp"
        (folder / name).write_bytes(b"before")
        with (folder / name).open("ab") as file:
            torch.save(piece, file)
        length = (folder / name).stat().st_size - 6
        chunks.append(kinds.ChunkStorageMetadata(torch.Size(start), piece.shape))
        index = kinds.MetadataIndex("weight", torch.Size(start), number)
        storage[index] = _StorageInfo(name, 6, length)
    properties = kinds.TensorProperties(dtype=tensor.dtype)
    entry = kinds.TensorStorageMetadata(properties, tensor.shape, chunks)
    content = kinds.Metadata({"weight": entry}, {"weight": ("weight",)}, storage)
    (folder / ".metadata").write_bytes(pickle.dumps(content))


STARTS = [(0, 0), (2, 0), (0, 3), (2, 3)]


def test_pieces_of_several_processes(tmp_path: Path) -> None:
    tensor = torch.randn(4, 6)
    write_in_pieces(tmp_path, tensor, STARTS)
    weights = Reader()(tmp_path / ".metadata")
    assert torch.equal(weights["weight"], tensor)
    loaded = {"weight": torch.zeros(4, 6)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state_dict_loader.load(loaded, checkpoint_id=str(tmp_path), no_dist=True)
    assert torch.equal(loaded["weight"], tensor)


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        (STARTS[:3], "do not add up to a tensor"),
        ([*STARTS[:3], (0, 0)], "two places for a piece|leave a part of it out|does not say where"),
        ([*STARTS[:3], (1, 3)], "leave a part of it out"),
    ],
)
def test_pieces_that_do_not_cover_the_tensor(
    starts: list[tuple[int, ...]], message: str, tmp_path: Path
) -> None:
    write_in_pieces(tmp_path, torch.randn(4, 6), starts)
    with pytest.raises(CheckpointError, match=message):
        Reader()(tmp_path / ".metadata")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def remove(folder: Path) -> None:
    next(folder.glob("*.distcp")).unlink()


def cut(folder: Path) -> None:
    path = next(folder.glob("*.distcp"))
    path.write_bytes(path.read_bytes()[:300])


def overwrite(folder: Path) -> None:
    path = next(folder.glob("*.distcp"))
    path.write_bytes(bytes(path.stat().st_size))


def run_code(folder: Path) -> None:
    (folder / ".metadata").write_bytes(pickle.dumps({"state_dict_metadata": Evil()}))


def lead_out(folder: Path) -> None:
    path = folder / ".metadata"
    path.write_bytes(path.read_bytes().replace(b"__0_0.distcp", b"../_0.distcp"))


def truncate(folder: Path) -> None:
    (folder / ".metadata").write_bytes((folder / ".metadata").read_bytes()[:50])


@pytest.mark.parametrize("damage", [remove, cut, overwrite, run_code, lead_out, truncate])
def test_damaged_folders(
    damage: Callable[[Path], None], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    damage(folder / "step-0")
    with pytest.raises(CheckpointError, match="is damaged or no checkpoint"):
        Reader()(folder / "step-0" / ".metadata")
    assert not (tmp_path / "executed").exists()


def test_deepspeed_with_whole_weights(tmp_path: Path) -> None:
    """ZeRO-1 and ZeRO-2 keep them in one file, beside the pieces of the optimizer."""
    for step, state in enumerate(world.weights(2)):
        target = tmp_path / "out" / f"global_step{step}"
        target.mkdir(parents=True)
        torch.save({"module": state, "dp_world_size": 2}, target / "mp_rank_00_model_states.pt")
        for rank in range(2):
            name = f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
            torch.save({"optimizer_state_dict": {}}, target / name)
    (tmp_path / "out" / "latest").write_text("global_step1")
    files = search([tmp_path / "out"]).files
    assert [(file.step, file.path.name) for file in files] == [
        (0, "mp_rank_00_model_states.pt"),
        (1, "mp_rank_00_model_states.pt"),
    ]
    assert Reader().contents(files[0].path).key == "module"
