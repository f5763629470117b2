"""The whole of what `test_run_folder.py` and `test_kill.py` have samples of.

1,500 flipped bits in the files of a run, 400 questions of another form, and 300 kills.
"""

import shutil
from collections import Counter
from pathlib import Path

import pytest

import damage
import kills
import question_fuzz
import vog
import world
from vog.result import part_names

_FLIPS, _FLIP_BLOCKS = 1500, 5
_QUESTIONS, _QUESTION_BLOCKS = 400, 4
_KILLS, _RUNS = 300, 30
OF_0_1 = Path(__file__).parents[1] / "run-0.1"


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of five parts."""
    folder = tmp_path_factory.mktemp("scored")
    world.save_checkpoints(folder / "c", 3)
    words = {"batch_size": 4, "rows_per_part": 8, "quiet": True, "scores": "vog,aum"}
    vog.score(world.build, folder / "c", world.inputs_and_labels(40), folder / "run", **words)
    return folder / "run"


@pytest.mark.parametrize("block", range(_FLIP_BLOCKS))
def test_single_flipped_bits_are_told_or_harmless(scored: Path, tmp_path: Path, block: int) -> None:
    run = Path(shutil.copytree(scored, tmp_path / "run"))
    parts, beside = part_names.files(run), [run / "digests.json", run / "question.json"]
    count = _FLIPS // _FLIP_BLOCKS
    seen = damage.flipped(run, parts, count // 2, seed=100 + block)
    assert seen == Counter(told=count // 2), "every bit of a part counts"
    seen = damage.flipped(run, beside, count - count // 2, seed=200 + block)
    assert not [kind for kind in seen if kind.startswith("silent")], seen


@pytest.mark.parametrize("block", range(_QUESTION_BLOCKS))
def test_questions_of_another_form(scored: Path, tmp_path: Path, block: int) -> None:
    each = _QUESTIONS // _QUESTION_BLOCKS
    run = OF_0_1 if block % 2 else scored
    seeds = range(1000 + block * each, 1000 + (block + 1) * each)
    assert not question_fuzz.faults(run, tmp_path, seeds, slow=lambda seed: seed % 20 == 0)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seven checkpoints."""
    folder = tmp_path_factory.mktemp("kills") / "checkpoints"
    world.save_checkpoints(folder, 7)
    return folder


@pytest.fixture(scope="module")
def whole(checkpoints: Path) -> tuple[Path, float]:
    """A run that nobody killed, and how long its first part took."""
    run = checkpoints.with_name("whole")
    return run, kills.finish(checkpoints, run)


@pytest.mark.parametrize("block", range(_RUNS))
def test_kills(checkpoints: Path, whole: tuple[Path, float], tmp_path: Path, block: int) -> None:
    run, first = whole
    kills.killed_often(checkpoints, run, first, tmp_path / f"k{block}", _KILLS // _RUNS)
