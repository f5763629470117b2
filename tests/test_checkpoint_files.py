"""Finding checkpoint files and reading their steps as numbers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.checkpoints import find
from vog.checkpoints.steps import read_steps
from vog.errors import CheckpointError


def made(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step-200.pt", 200),
        ("step_00500.safetensors", 500),
        ("model.ckpt-30024", 30024),
        ("ckpt_007.pth", 7),
        ("checkpoint-500/model.safetensors", 500),
        ("checkpoint-500/model.safetensors.index.json", 500),
        ("epoch=3-step=400.ckpt", 400),
        ("epoch=12.ckpt", 12),
        ("resnet18_epoch10_acc0.93.pt", 10),
        ("iter_12000.pth.tar", 12000),
        ("weight_31275", 31275),
        ("0042.pt", 42),
        ("net_5.pt", 5),
        ("global_step1000.pt", 1000),
        ("Epoch-3.PTH", 3),
        ("epoch2step900.pt", 900),
    ],
)
def test_the_step_in_a_name(name: str, step: int) -> None:
    assert read_steps([Path("runs/2024") / name], "here") == [step]


@given(
    st.lists(st.integers(0, 10**7), min_size=1, unique=True), st.sampled_from(["step-", "e", ""])
)
def test_any_step_is_read_back(steps: list[int], word: str) -> None:
    assert read_steps([Path(f"{word}{step}.pt") for step in steps], "here") == steps


def test_numbers_that_do_not_change_are_no_steps() -> None:
    names = ["resnet50-b2-100.pt", "resnet50-b2-90.pt"]
    assert read_steps([Path(name) for name in names], "here") == [100, 90]


@pytest.mark.parametrize(
    ("names", "unclear"),
    [
        (["step-1.pt", "best.pt", "last.pt"], "2 have no step in their name: best.pt, last.pt"),
        (["a1-b2.pt", "a2-b1.pt"], "2 have no step in their name"),
        (["final.pt"], "1 have no step"),
        (["ckpt-500.pt", "ckpt-1k.pt"], "1 have no step in their name: ckpt-1k.pt"),
        (["step-1e3.pt", "step-2e2.pt"], "2 have no step"),
        (["step=1,000.pt", "step=500.pt"], "1 have no step"),
        (["model-3fa9.pt", "model-12bc.pt"], "2 have no step"),
        (["epoch0.5.pt", "epoch1.5.pt"], "2 have no step"),
    ],
)
def test_a_step_that_cannot_be_told(names: list[str], unclear: str) -> None:
    with pytest.raises(CheckpointError, match=unclear) as caught:
        read_steps([Path("runs/2024") / name for name in names], "'runs/*.pt'")
    assert "Narrow the glob, or list the files in order: --checkpoints @order.txt" in str(
        caught.value
    )


@pytest.mark.parametrize(
    "names", [["batch64_epoch1.pt", "batch64_epoch2.pt"], ["net2-1.pt", "net2-2.pt"]]
)
def test_what_is_the_same_in_all_names_is_no_step(names: list[str]) -> None:
    assert read_steps([Path(name) for name in names], "here") == [1, 2]


@pytest.mark.parametrize(
    "names",
    [["epoch0_batch900.pt", "epoch1_batch100.pt"], ["epoch2step900.pt", "epoch10step5.pt"]],
)
def test_steps_that_begin_again_each_epoch_are_refused(names: list[str]) -> None:
    with pytest.raises(CheckpointError, match="give different orders"):
        read_steps([Path(name) for name in names], "here")


def test_a_trainer_folder_is_its_checkpoints(tmp_path: Path) -> None:
    made(tmp_path, "model.safetensors", "training_args.bin", "checkpoint-5/model.safetensors")
    made(tmp_path, "checkpoint-10/model.safetensors", "checkpoint-10/optimizer.pt")
    assert [file.step for file in find([tmp_path])] == [5, 10]
    made(tmp_path / "tf", "model.ckpt-30024", "model.ckpt-3753", "training_args.bin")
    assert [file.step for file in find([tmp_path / "tf"])] == [3753, 30024]


def test_two_files_of_one_step(tmp_path: Path) -> None:
    made(tmp_path, "a/step-1.pt", "b/step-1.pt")
    (tmp_path / "b/step-1.pt").write_bytes(b"y")
    with pytest.raises(CheckpointError, match="are both of step 1"):
        find([str(tmp_path / "*/*.pt")])


@pytest.mark.parametrize("spec", ["", "*.pt", "step-*"])
def test_a_folder_or_glob_in_order_of_steps(tmp_path: Path, spec: str) -> None:
    made(tmp_path, "step-1000.pt", "step-200.pt", "step-30.pt")
    assert [file.step for file in find([tmp_path / spec])] == [30, 200, 1000]


def test_folders_of_hugging_face(tmp_path: Path) -> None:
    made(
        tmp_path,
        "checkpoint-1000/model.safetensors",
        "checkpoint-1000/optimizer.pt",
        "checkpoint-200/pytorch_model.bin",
        "runs/events.txt",
    )
    for spec in (tmp_path, tmp_path / "checkpoint-*"):
        found = find([spec])
        assert [file.step for file in found] == [200, 1000]
        assert [file.path.name for file in found] == ["pytorch_model.bin", "model.safetensors"]


def test_a_list_gives_the_order(tmp_path: Path) -> None:
    made(tmp_path, "best.pt", "last.pt", "step-9.pt", "order.txt")
    (tmp_path / "order.txt").write_text("step-9.pt\n# the best came later\nbest.pt\n\nlast.pt\n")
    found = find([f"@{tmp_path / 'order.txt'}"])
    assert [(file.path.name, file.step) for file in found] == [
        ("step-9.pt", 0),
        ("best.pt", 1),
        ("last.pt", 2),
    ]


def test_a_list_with_steps_keeps_them(tmp_path: Path) -> None:
    made(tmp_path, "step-5.pt", "step-70.pt")
    (tmp_path / "order.txt").write_text("step-5.pt\nstep-70.pt\n")
    assert [file.step for file in find([f"@{tmp_path / 'order.txt'}"])] == [5, 70]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nothing.pt", "there is no file '.*nothing.pt'"),
        ("*.pt", r"the glob '.*\*.pt' matches no file"),
        ("", "the folder .* holds no checkpoint"),
        ("@order.txt", "there is no list"),
        ("@empty.txt", "names no file"),
        ("@gone.txt", "missing.pt: there is no such file"),
    ],
)
def test_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, message: str
) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "gone.txt").write_text("missing.pt\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        find([spec or str(tmp_path)])
