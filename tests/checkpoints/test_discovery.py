"""Finding checkpoint files and reading their steps as numbers."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.checkpoints import CheckpointSearch, find_checkpoints, search
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
    assert "Narrow the glob, or list the files in order: checkpoints='@order.txt'" in str(
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
    assert [file.step for file in find_checkpoints([tmp_path])] == [5, 10]
    made(tmp_path / "tf", "model.ckpt-30024", "model.ckpt-3753", "training_args.bin")
    assert [file.step for file in find_checkpoints([tmp_path / "tf"])] == [3753, 30024]


def test_two_files_of_one_step(tmp_path: Path) -> None:
    made(tmp_path, "a/step-1.pt", "b/step-1.pt")
    (tmp_path / "b/step-1.pt").write_bytes(b"y")
    with pytest.raises(CheckpointError, match="both have step 1"):
        find_checkpoints([str(tmp_path / "*/*.pt")])


@pytest.mark.parametrize("spec", ["", "*.pt", "step-*"])
def test_a_folder_or_glob_in_order_of_steps(tmp_path: Path, spec: str) -> None:
    made(tmp_path, "step-1000.pt", "step-200.pt", "step-30.pt")
    assert [file.step for file in find_checkpoints([tmp_path / spec])] == [30, 200, 1000]


def test_folders_of_hugging_face(tmp_path: Path) -> None:
    made(
        tmp_path,
        "checkpoint-1000/model.safetensors",
        "checkpoint-1000/optimizer.pt",
        "checkpoint-200/pytorch_model.bin",
        "runs/events.txt",
    )
    for spec in (tmp_path, tmp_path / "checkpoint-*"):
        found = find_checkpoints([spec])
        assert [file.step for file in found] == [200, 1000]
        assert [file.path.name for file in found] == ["pytorch_model.bin", "model.safetensors"]


def test_a_list_gives_the_order(tmp_path: Path) -> None:
    made(tmp_path, "best.pt", "last.pt", "step-9.pt", "order.txt")
    (tmp_path / "order.txt").write_text("step-9.pt\n# the best came later\nbest.pt\n\nlast.pt\n")
    found = find_checkpoints([f"@{tmp_path / 'order.txt'}"])
    assert [(file.path.name, file.step) for file in found] == [
        ("step-9.pt", 0),
        ("best.pt", 1),
        ("last.pt", 2),
    ]


def test_a_list_with_steps_keeps_them(tmp_path: Path) -> None:
    made(tmp_path, "step-5.pt", "step-70.pt")
    (tmp_path / "order.txt").write_text("step-5.pt\nstep-70.pt\n")
    assert [file.step for file in find_checkpoints([f"@{tmp_path / 'order.txt'}"])] == [5, 70]


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
        find_checkpoints([spec or str(tmp_path)])


def written(folder: Path, *names: str) -> Path:
    """Make files whose bytes differ."""
    for at, name in enumerate(names):
        made(folder, name)
        (folder / name).write_bytes(b"%d" % at)
    return folder


def names(found: CheckpointSearch) -> list[str]:
    return [file.path.name for file in found.files]


@pytest.mark.parametrize("spec", ["", "*", "*.p*"])
def test_files_beside_the_numbered_ones_are_left_out_with_a_word(tmp_path: Path, spec: str) -> None:
    beside = ["best.pt", "last.pt", "model_best.pth.tar", "best_epoch_2.pt", "last-v1.pt", "swa.pt"]
    written(tmp_path, "epoch_1.pt", "epoch_2.pt", "ema_2.pt", "model.pt", *beside)
    found = search([tmp_path / spec])
    assert names(found) == ["epoch_1.pt", "epoch_2.pt"]
    assert all(name in found.notes["left out"] for name in [*beside, "ema_2.pt", "model.pt"])


def test_words_that_the_shell_expanded_are_a_glob(tmp_path: Path) -> None:
    written(tmp_path, "step-1.pt", "step-2.pt", "last.pt")
    found = search(sorted(tmp_path.iterdir()))
    assert names(found) == ["step-1.pt", "step-2.pt"]
    assert found.notes == {"left out": "last.pt"}


def test_links_and_copies_are_the_files_that_they_are(tmp_path: Path) -> None:
    written(tmp_path, "step-1.pt", "step-2.pt", "step-3.pt")
    (tmp_path / "last.pt").write_bytes((tmp_path / "step-3.pt").read_bytes())
    (tmp_path / "best.pt").symlink_to("step-2.pt")
    (tmp_path / "step-4.pt").symlink_to("step-3.pt")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/step-1.pt").write_bytes((tmp_path / "step-1.pt").read_bytes())
    found = search([tmp_path, tmp_path / "other/*.pt"])
    assert names(found) == ["step-1.pt", "step-2.pt", "step-3.pt"]
    assert set(found.notes["left out"].split("), ")) == {
        "best.pt (the same as step-2.pt",
        "last.pt (the same as step-3.pt",
        "step-4.pt (the same as step-3.pt",
        "step-1.pt (the same as step-1.pt)",
    }


@pytest.mark.parametrize("spec", ["", "*.pt", "checkpoint-1", "c/*"])
def test_hidden_files_and_folders_are_no_checkpoints(tmp_path: Path, spec: str) -> None:
    folder = tmp_path / ("c" if spec == "c/*" else "")
    written(folder, "epoch_1.pt", "epoch_2.pt", "._epoch_1.pt", ".epoch_3.pt")
    written(tmp_path / "checkpoint-1", "a-1.pt", "._a-1.pt", ".ipynb_checkpoints/a-3.pt")
    (tmp_path / ".old-1").mkdir()
    (tmp_path / ".old-1" / "model.safetensors").touch()
    found = find_checkpoints([tmp_path / spec])
    assert [one.step for one in found] == ([1] if spec == "checkpoint-1" else [1, 2])


@pytest.mark.parametrize("spec", ["model.pt", "*.pt", "", "sharded"])
def test_one_file_without_a_number_is_the_first_step(tmp_path: Path, spec: str) -> None:
    written(tmp_path, "model.pt")
    (tmp_path / "sharded").mkdir()
    if spec == "sharded":
        (tmp_path / "sharded" / "model.safetensors.index.json").touch()
    assert [one.step for one in find_checkpoints([tmp_path / spec])] == [0]


@pytest.mark.parametrize("spec", ["", "*.pt", "epoch_*"])
def test_what_leads_to_no_file_is_left_out_with_a_word(tmp_path: Path, spec: str) -> None:
    written(tmp_path, "epoch_1.pt", "epoch_2.pt")
    (tmp_path / "epoch_3.pt").symlink_to("nowhere.pt")
    (tmp_path / "epoch_4.pt").mkdir()
    found = search([tmp_path / spec])
    assert names(found) == ["epoch_1.pt", "epoch_2.pt"]
    assert found.notes["left out"] == (
        "epoch_3.pt (a link to a file that is not there), "
        "epoch_4.pt (a folder without one file of weights)"
    )


def test_a_link_to_a_folder_beside_it_is_that_folder(tmp_path: Path) -> None:
    written(tmp_path / "run", "epoch_1.pt", "epoch_2.pt")
    (tmp_path / "latest").symlink_to("run")
    assert names(search([tmp_path])) == ["epoch_1.pt", "epoch_2.pt"]


def test_a_list_keeps_what_it_names(tmp_path: Path) -> None:
    written(tmp_path, "step-1.pt", "last.pt")
    (tmp_path / "order.txt").write_text("step-1.pt\nlast.pt\n")
    found = search([f"@{tmp_path / 'order.txt'}"])
    assert names(found) == ["step-1.pt", "last.pt"]
    assert found.notes == {}


def test_a_folder_of_best_files_alone_keeps_them(tmp_path: Path) -> None:
    written(tmp_path, "best_epoch_1.pt", "best_epoch_2.pt")
    assert [file.step for file in search([tmp_path]).files] == [1, 2]


@pytest.mark.parametrize("name", ["ckpt-{}.pth.tar", "{}.pt.tar", "a_{}.PTH"])
def test_endings_of_checkpoints(tmp_path: Path, name: str) -> None:
    written(tmp_path, *(name.format(step) for step in (5, 40)), "args.txt", "log.csv")
    assert [file.step for file in find_checkpoints([tmp_path])] == [5, 40]
    assert [file.step for file in find_checkpoints([tmp_path / "*"])] == [5, 40]


@pytest.mark.parametrize(
    ("folder", "spec"),
    [
        ("a[1]", "a[1]"),
        ("a[1]", "a[1]/step-*.pt"),
        ("lr=[0.1,0.2]/b[2]", "lr=[0.1,0.2]/b[2]/step-?.pt"),
        ("x/a[1]", "*/a[1]/*.pt"),
        ("b[*]", "b[*]/*.pt"),
        ("a1", "a[12]/*.pt"),
    ],
)
def test_brackets_in_paths(tmp_path: Path, folder: str, spec: str) -> None:
    written(tmp_path / folder, "step-1.pt", "step-2.pt")
    assert [file.step for file in find_checkpoints([tmp_path / spec])] == [1, 2]


def test_a_path_that_exists_as_it_is_written_wins(tmp_path: Path) -> None:
    written(tmp_path, "a1/step-1.pt", "a[1]/step-2.pt", "step-[3].pt", "step-3.pt")
    assert [file.step for file in find_checkpoints([tmp_path / "a[1]/*.pt"])] == [2]
    assert find_checkpoints([tmp_path / "step-[3].pt"])[0].path == tmp_path / "step-[3].pt"


@pytest.mark.parametrize(
    ("files", "steps"),
    [
        (["epoch_2/resnet18.pth", "epoch_10/resnet18.pth"], [2, 10]),
        (["epoch_2/vit_b_16.pth", "epoch_10/vit_b_16.pth"], [2, 10]),
        (["step=100/model/weights.pt", "step=20/model/weights.pt"], [20, 100]),
        (["checkpoint-3/a/b/net.pt", "checkpoint-1/a/b/net.pt"], [1, 3]),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_steps_in_the_names_of_folders(
    tmp_path: Path, files: list[str], steps: list[int], whole: bool
) -> None:
    written(tmp_path, *files)
    spec = tmp_path if whole and files[0].count("/") == 1 else tmp_path / "**/*.p*t*"
    assert [file.step for file in find_checkpoints([spec])] == steps


def test_a_glob_of_folders_with_one_checkpoint_each(tmp_path: Path) -> None:
    written(tmp_path, "epoch_1/resnet18.pth", "epoch_1/log.txt", "epoch_2/resnet18.pth")
    assert [file.step for file in find_checkpoints([tmp_path / "epoch_*"])] == [1, 2]


@pytest.mark.parametrize(
    "files",
    [
        ["seed0/final.pt", "seed1/final.pt"],
        ["0/resnet18.pt", "1/resnet18.pt"],
        ["epoch_1/3.pt", "epoch_2/1.pt"],
    ],
)
def test_numbers_of_folders_that_may_be_no_steps_are_refused(
    tmp_path: Path, files: list[str]
) -> None:
    written(tmp_path, *files)
    with pytest.raises(CheckpointError, match="The training order is unclear"):
        find_checkpoints([tmp_path / "*/*.pt"])


@pytest.mark.parametrize(
    ("folder", "spec"),
    [
        ("lightning_logs/version_0/checkpoints", ""),
        ("lightning_logs/version_0/checkpoints", "lightning_logs/version_0"),
        ("runs/exp/weights", "runs"),
    ],
)
def test_checkpoints_in_deeper_folders(tmp_path: Path, folder: str, spec: str) -> None:
    written(tmp_path / folder, "epoch=1-step=10.ckpt", "epoch=2-step=20.ckpt", "last.ckpt")
    made(tmp_path, f"{folder}/../events.out", ".git/objects/step-5.pt")
    found = search([tmp_path / spec])
    assert [file.step for file in found.files] == [10, 20]
    assert found.notes == {"found in": str(tmp_path / folder), "left out": "last.ckpt"}


def test_checkpoints_in_several_deeper_folders_are_refused(tmp_path: Path) -> None:
    written(tmp_path, "version_0/step-1.ckpt", "version_0/step-2.ckpt", "version_1/step-1.ckpt")
    with pytest.raises(CheckpointError, match=r"in 2 folders below it: .*version_0 \(2\)"):
        find_checkpoints([tmp_path])


def test_a_glob_that_matches_folders_says_what_is_in_them(tmp_path: Path) -> None:
    made(tmp_path, "run_1/config.json", "run_1/model/a.pt", "run_1/model/b.pt", "run_2/config.json")
    with pytest.raises(
        CheckpointError, match="matches 2 folders and no file: run_1, run_2. In run_1"
    ):
        find_checkpoints([tmp_path / "run_*"])
    with pytest.raises(CheckpointError, match="there is: config.json, model"):
        find_checkpoints([tmp_path / "run_*"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.data-00000-of-00001", "checkpoint"], "(data of|a data file of) TensorFlow"),
        (
            [
                "zero_pp_rank_0_mp_rank_00_model_states.pt",
                "zero_pp_rank_0_mp_rank_00_optim_states.pt",
            ],
            "DeepSpeed ZeRO-3.*zero_to_fp32.py",
        ),
        (["_CHECKPOINT_METADATA", "d/0"], "Orbax"),
        (["adapter_config.json", "adapter_model.bin"], "an adapter of PEFT"),
        (
            ["saved_model.pb", "variables/x"],
            "SavedModel of TensorFlow without variables/var",
        ),
    ],
)
@pytest.mark.parametrize("spec", ["", "step-1", "step-*"])
def test_folders_of_other_tools_are_named(
    tmp_path: Path, names: list[str], message: str, spec: str
) -> None:
    made(tmp_path / "step-1", *names)
    with pytest.raises(CheckpointError, match=message) as caught:
        find_checkpoints([tmp_path / spec])
    assert "weights_only" not in str(caught.value)


def test_data_of_tensorflow_without_their_index_are_named(tmp_path: Path) -> None:
    made(tmp_path, "model.ckpt-10.data-00000-of-00001", "model.ckpt-10.meta")
    for spec in ("model.ckpt-*", "model.ckpt-10.data-00000-of-00001"):
        with pytest.raises(CheckpointError, match="its index model.ckpt-10.index is not beside it"):
            find_checkpoints([tmp_path / spec])


@pytest.mark.parametrize("where", ["iterdir", "read_text", "is_dir"])
def test_what_may_not_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / "order.txt").write_text("a.pt\n")

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, where, refuse)
    with pytest.raises(CheckpointError, match="cannot be read: permission denied"):
        find_checkpoints([f"@{tmp_path / 'order.txt'}" if where == "read_text" else str(tmp_path)])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00a", b"a\x00b.pt\n", b"x" * 5000])
def test_lists_that_are_no_lists(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "order.txt").write_bytes(content)
    with pytest.raises(CheckpointError, match="checkpoints: .*(no text|not text|cannot be read)"):
        find_checkpoints([f"@{tmp_path / 'order.txt'}"])


def test_a_word_that_is_no_path() -> None:
    for word in ("a\0b", "x" * 5000):
        with pytest.raises(CheckpointError, match="checkpoints: "):
            find_checkpoints([word])


def test_files_and_folders_as_they_match(tmp_path: Path) -> None:
    made(tmp_path, "step-1/a.npy", "step-2/a.npy", "notes/a.txt", "step-3.npz")
    found = search([tmp_path], custom_reader=True)
    assert names(found) == ["step-1", "step-2", "step-3.npz"]
    assert found.notes == {"left out": "notes"}
    assert names(search([tmp_path / "step-?"], custom_reader=True)) == ["step-1", "step-2"]


def test_a_fifo_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.pt")
    with pytest.raises(CheckpointError, match="1.pt: is no regular file. Name a file"):
        find_checkpoints([tmp_path / "1.pt"])


@pytest.mark.parametrize("word", ["~nobody-of-this-name/1.pt", "@~nobody-of-this-name/list.txt"])
def test_the_home_of_nobody_is_a_path_like_others(word: str) -> None:
    with pytest.raises(CheckpointError, match="there is no (file|list) .*~nobody"):
        find_checkpoints([word])


def test_a_list_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "1.pt")
    (tmp_path / "list.txt").write_text("~/1.pt\n")
    assert [one.path for one in find_checkpoints(["@~/list.txt"])] == [tmp_path / "1.pt"]


def named_like(ending: str) -> Callable[[Path], bool]:
    return lambda path: path.name.endswith(ending)


def is_own(path: Path) -> bool:
    """Return what a model says that reads folders of Orbax, and `.eqx`, itself."""
    return path.suffix == ".eqx" or (path / "_CHECKPOINT_METADATA").exists()


@pytest.mark.parametrize("ending", [".keras", ".weights.h5", ".h5", ".eqx", ".msgpack", ".npz"])
@pytest.mark.parametrize("spec", ["", "*", "epoch-*", "@order.txt", "epoch-3{}"])
def test_files_that_a_model_reads_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, spec: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, f"epoch-20{ending}", f"epoch-3{ending}", "history.json", f"optimizer{ending}")
    Path("order.txt").write_text(f"epoch-3{ending}\nepoch-20{ending}\n")
    found = search([spec.format(ending) or str(tmp_path)], reads=named_like(ending))
    expected = [3] if "{" in spec else [3, 20]
    assert [file.step for file in found.files] == expected
    assert names(found) == [f"epoch-{step}{ending}" for step in expected]


@pytest.mark.parametrize("name", ["{}", "step_{}", "checkpoint_{}"])
@pytest.mark.parametrize("spec", ["", "*", "@order.txt", ".."])
def test_folders_that_a_model_reads_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, spec: str
) -> None:
    run = tmp_path / "run/checkpoints"
    for step in (100, 20):
        written(run / name.format(step), "_CHECKPOINT_METADATA", "default/manifest.ocdbt")
    made(run, f"{name.format(300)}.orbax-checkpoint-tmp-1/d/0", "events.txt")
    monkeypatch.chdir(run)
    Path("order.txt").write_text(f"{name.format(20)}\n{name.format(100)}\n")
    found = search([spec or str(run)], False, is_own)
    assert [file.step for file in found.files] == [20, 100]
    assert names(found) == [name.format(20), name.format(100)]
    assert [f.step for f in search([run / name.format(100)], False, is_own).files] == [100]


def test_folders_of_a_model_and_what_our_readers_know(tmp_path: Path) -> None:
    written(tmp_path, "1/_CHECKPOINT_METADATA", "2/_CHECKPOINT_METADATA", "step-3.pt", "last.pt")
    found = search([tmp_path], False, is_own)
    assert names(found) == ["1", "2", "step-3.pt"]
    assert found.notes == {"left out": "last.pt"}
    written(tmp_path, "step-2.pt")
    with pytest.raises(CheckpointError, match="both have step 2"):
        search([tmp_path], False, is_own)
    with pytest.raises(CheckpointError, match="a checkpoint of Orbax"):
        search([tmp_path / "1"])


def test_a_name_that_is_not_there_is_no_checkpoint_of_a_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no file '.*1.eqx'"):
        find_checkpoints([tmp_path / "1.eqx"], reads=is_own)
    with pytest.raises(CheckpointError, match="matches no file"):
        find_checkpoints([tmp_path / "*.eqx"], reads=is_own)


def test_a_second_run_of_lightning_in_the_same_folder(tmp_path: Path) -> None:
    written(tmp_path, "epoch=0.ckpt", "epoch=0-v1.ckpt", "epoch=1.ckpt", "epoch=1-v1.ckpt")
    with pytest.raises(CheckpointError, match=r"both have step 0\. Lightning marks .* by -v1\."):
        find_checkpoints([tmp_path])
    found = find_checkpoints([tmp_path / "*-v1.ckpt"])
    assert [file.step for file in found] == [0, 1]


def test_what_timm_keeps_beside_its_epochs(tmp_path: Path) -> None:
    written(tmp_path, "checkpoint-0.pth.tar", "checkpoint-1.pth.tar", "recovery-1-5.pth.tar")
    found = search([tmp_path])
    assert [file.step for file in found.files] == [0, 1]
    assert found.notes == {"left out": "recovery-1-5.pth.tar"}
