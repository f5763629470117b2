"""Data, models and checkpoints of a run are found from any folder, and where all moved together."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

import vog
import world
from command_line import Cli
from vog.data.run_data import data_place, missing_data_places
from vog.errors import ResultError
from vog.figures.previews import previewer
from vog.inspection.locate_inputs import Options, locate_inputs
from vog.result import Run
from vog.result.data_location import (
    checkpoint_locations,
    current_location,
    refuse_to_overwrite_inputs,
)
from vog.viewer.on_demand import inspection

CLASSES = "abcd"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that a run names, all of it relative to that folder."""
    folder = tmp_path_factory.mktemp("made")
    world.save_checkpoints(folder / "c", 3)
    for name in CLASSES:
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(3):
            noise = Image.effect_noise((6, 6), 50 + number).convert("RGB")
            noise.save(folder / "photos" / name / f"{number}.png")
    lines = [f"{name}/{i}.png {k}\n" for k, name in enumerate(CLASSES) for i in range(3)]
    (folder / "list.txt").write_text("".join(lines))
    module = f"net{uuid4().hex}"
    (folder / f"{module}.py").write_text(
        f"import sys; sys.path.insert(0, {str(Path(world.__file__).parent)!r})\n"
        "import numpy, torch\nfrom world import build\n"
        "def scaled(image):\n"
        "    return torch.from_numpy(numpy.array(image)).permute(2, 0, 1) / 255\n"
        "def first(logits, labels): return logits[:, 0]\n"
    )
    world.save_npz(folder / "data.npz", 12)
    before = Path.cwd()
    os.chdir(folder)
    try:
        own = {"quiet": True, "workers": 0, "scores": "vog,aum"}
        code = {"model": f"{module}.py:build", "checkpoints": "c"}
        more = {"transform": f"{module}.py:scaled", "target": f"{module}.py:first"}
        vog.score(**code, data="photos", out="runs/photos", **more, **own)
        vog.score(**code, data="list.txt", root="photos", out="runs/list", transform="none", **own)
        vog.score(**code, data="data.npz", out="runs/npz", **own)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another folder, which the user stands in."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield tmp_path / "elsewhere"
    for name in [name for name in sys.modules if name.startswith("net")]:
        if re.fullmatch("net[0-9a-f]{32}", name):
            del sys.modules[name]


def pictures_of(run: Run, **more: Any) -> int:
    ids = run.table(["index", "id"]).to_pylist()
    look = previewer(run, **more)
    return sum(look(row["index"], row["id"]).image is not None for row in ids)


KINDS = ("photos", "list", "npz")


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_found_from_any_folder(made: Path, elsewhere: Path, kind: str) -> None:
    run = vog.open(os.path.relpath(made / "runs" / kind, elsewhere))
    assert pictures_of(run) == 12
    where = run.question["where"]
    assert not Path(where["data"]).is_absolute(), "as the user gave it"
    assert Path(where["absolute"]["data"]) == made / where["data"]
    assert where["from_run"]["data"] == f"../../{where['data']}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_tree_that_moved_as_a_whole(
    made: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The first place is gone, as it would be on another machine."""
    shutil.copytree(made, tmp_path / "moved")
    shutil.move(made, made.with_name("away"))
    try:
        run = vog.open(tmp_path / "moved" / "runs" / kind)
        assert pictures_of(run) == 12
        again = locate_inputs(run, Options())
        assert [file.path.parent for file in again.files] == [tmp_path / "moved" / "c"] * 3
        assert str(again.model).startswith(str(tmp_path / "moved" / "net"))
        (tmp_path / "link").symlink_to(tmp_path / "moved" / "runs" / kind)
        assert pictures_of(vog.open(tmp_path / "link")) == 12, "a link to the run"
        monkeypatch.chdir(run.folder)
        assert pictures_of(vog.open(".")) == 12
    finally:
        shutil.move(made.with_name("away"), made)


def test_what_the_user_names_is_before_all_else(
    made: Path, elsewhere: Path, tmp_path: Path
) -> None:
    run = vog.open(made / "runs" / "photos")
    (tmp_path / "others").mkdir()
    assert data_place(run, tmp_path / "others") == tmp_path / "others"
    assert pictures_of(run, root=tmp_path / "others") == 0
    assert pictures_of(run, data=tmp_path / "others") == 0


def test_data_of_the_same_name_elsewhere_are_other_data(made: Path, elsewhere: Path) -> None:
    """Whoever stands in another project, whose data are called so too, sees those of the run."""
    (elsewhere / "photos").mkdir()
    shutil.copy(made / "data.npz", elsewhere)
    assert data_place(vog.open(made / "runs" / "photos")) == made / "photos"
    assert data_place(vog.open(made / "runs" / "npz")) == made / "data.npz"


def test_names_as_given_are_said_where_they_lead_there(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    run = vog.open("runs/photos")
    assert current_location(run, "data") == "photos"
    assert data_place(run) == Path("photos")
    assert checkpoint_locations(run) == [f"c/step-{n}.pt" for n in (100, 200, 300)]
    said = inspection(run, {}, lambda index: pytest.fail("not asked")).runs
    assert re.match(r"net\w+\.py:build\(\), net\w+\.py:scaled, net\w+\.py:first under 3", said)


def without_places(run: Run) -> Run:
    """The run as version 0.1 wrote it."""
    where = {k: v for k, v in run.question["where"].items() if k not in ("absolute", "from_run")}
    return replace(run, question=run.question | {"where": where})


def test_a_folder_of_0_1_is_found_from_where_it_was_scored(
    made: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = without_places(vog.open(made / "runs" / "photos"))
    assert pictures_of(run) == 0
    assert data_place(run) == Path("photos")
    assert missing_data_places(run) == str(elsewhere / "photos")
    monkeypatch.chdir(made)
    assert (pictures_of(run), missing_data_places(run)) == (12, None)


def test_a_name_that_was_edited_is_what_holds(made: Path, elsewhere: Path, tmp_path: Path) -> None:
    run = vog.open(made / "runs" / "photos")
    shutil.copytree(made / "photos", tmp_path / "copied")
    where = run.question["where"] | {"data": str(tmp_path / "copied")}
    edited = replace(run, question=run.question | {"where": where})
    assert data_place(edited) == tmp_path / "copied"


@pytest.mark.parametrize(
    "places", [None, {}, {"data": None}, {"checkpoints": ["c/step-100.pt"]}, {"data": "/nowhere"}]
)
def test_places_of_another_form_are_not_looked_at(
    made: Path, monkeypatch: pytest.MonkeyPatch, places: object
) -> None:
    monkeypatch.chdir(made)
    run = vog.open("runs/photos")
    where = run.question["where"] | {"absolute": places}
    odd = replace(run, question=run.question | {"where": where})
    assert pictures_of(odd) == 12
    assert len(checkpoint_locations(odd)) == 3


def test_the_data_of_a_run_are_not_replaced_from_any_folder(made: Path, elsewhere: Path) -> None:
    with pytest.raises(ResultError, match="is the data that"):
        refuse_to_overwrite_inputs(vog.open(made / "runs" / "npz"), made / "data.npz")
    refuse_to_overwrite_inputs(vog.open(made / "runs" / "npz"), elsewhere / "other.npz")


def test_an_example_is_computed_again_from_any_folder(made: Path, elsewhere: Path) -> None:
    from vog.inspection.inspector import inspector

    run = vog.open(made / "runs" / "photos")
    seen = inspector(run, device="cpu")(4)
    (stored,) = run.table(["vog@all"]).slice(4, 1)["vog@all"].to_pylist()
    assert seen.vog == pytest.approx(stored, rel=1e-5)
    assert seen.differs == ()


def test_kept_rows_of_arrays_are_written_from_any_folder(made: Path, elsewhere: Path) -> None:
    run = vog.open(made / "runs" / "npz")
    vog.select(run, keep_hardest=5).save(elsewhere / "kept.npz")
    with np.load(elsewhere / "kept.npz") as file:
        assert len(file["inputs"]) == 5


def test_a_list_of_images_is_written_from_any_folder(made: Path, elsewhere: Path) -> None:
    run = vog.open(made / "runs" / "photos")
    vog.select(run, keep_hardest=12).save(elsewhere / "list.txt", root=made)
    names = [line.split()[0] for line in (elsewhere / "list.txt").read_text().splitlines()]
    assert len(names) == 12
    assert all((made / name).is_file() for name in names)


@pytest.mark.slow
def test_combined_runs_and_imported_gradients(
    made: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(made)
    world.save_checkpoints(tmp_path / "c2", 3, seed=9)
    how = {"transform": "none", "quiet": True, "workers": 0, "scores": "vog,aum"}
    vog.score(world.build, "c", "photos", "runs/one", **how)
    vog.score(world.build, tmp_path / "c2", "photos", "runs/two", **how)
    both = [vog.open(f"runs/{name}") for name in ("one", "two")]
    vog.combine(both, "runs/deep/mean")
    from vog.gradients.score_stored import import_stored
    from vog.gradients.store import prepare_storing, store
    from vog.sweep.request import Request

    words = {"model": world.build, "checkpoints": "c", "data": "photos", "transform": "none"}
    store(prepare_storing(Request(out=Path("gradients"), workers=0, quiet=True, **words)))
    import_stored("gradients", "runs/imported", quiet=True)
    monkeypatch.chdir(elsewhere)
    for name, place in (("deep/mean", "photos"), ("imported", "gradients")):
        run = vog.open(made / "runs" / name)
        assert data_place(run) == made / place
        assert pictures_of(run) == 12
    seen = vog.open(made / "runs" / "deep/mean").question["where"]["from_run"]
    assert seen["data"] == "../../../photos"


@pytest.mark.slow
def test_the_commands_from_any_folder(cli: Cli, made: Path, elsewhere: Path) -> None:
    """Exit status 0 is not enough: the pictures have to be there."""
    run = str(made / "runs" / "photos")
    code, _, err = cli("report", run, "--out", "report.html", "--quiet")
    assert (code, err) == (0, "")
    assert "data:image/png" in Path("report.html").read_text()
    assert cli("grid", run, "--out", "grid.png")[0] == 0
    assert cli("export", run, "--out", "tasks.json", "--format", "label-studio")[0] == 0
    tasks = json.loads(Path("tasks.json").read_text())
    names = {unquote(task["data"]["image"].split("?d=")[1]) for task in tasks}
    assert len(names) == 12
    assert all((made / name).is_file() for name in names)
    assert cli("export", run, "--out", "f.json", "--format", "fiftyone")[0] == 0
    samples = json.loads(Path("f.json").read_text())["samples"]
    assert all(Path(sample["filepath"]).is_file() for sample in samples)


@pytest.mark.slow
def test_commands_without_pictures_say_so(
    cli: Cli,
    made: Path,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    shutil.copytree(made / "runs" / "photos", "run")
    question = json.loads(Path("run/question.json").read_text())
    question["where"]["absolute"]["data"] = "/nowhere/photos"
    Path("run/question.json").write_text(json.dumps(question))
    code, _, err = cli("report", "run", "--out", "report.html", "--quiet")
    assert code == 0
    assert "Warning: 12 of 12 examples have no picture." in err
    tried = ("/nowhere/photos", str(elsewhere.parent / "photos"), str(elsewhere / "photos"))
    for said in (*tried, "as --root"):
        assert said in err
    code, _, err = cli("view", "run", "--no-open", "--port", "0")
    assert code == 0
    assert "Warning: There are no pictures." in err
    assert "as --root" in err
    for words in (
        ("grid", "run", "--out", "grid.png"),
        ("export", "run", "--out", "a.json", "--format", "fiftyone"),
    ):
        code, _, err = cli(*words)
        assert (code, "/nowhere/photos" in err, "--root" in err) == (1, True, True)
    root = ("--root", str(made / "photos"))
    code, _, err = cli("report", "run", "--out", "report.html", "--quiet", *root)
    assert (code, err) == (0, "")
    code, _, err = cli("view", "run", "--no-open", "--port", "0", *root)
    assert (code, err) == (0, "")
