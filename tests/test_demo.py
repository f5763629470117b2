"""The demo from the first command to the last picture, on the real digits."""

from pathlib import Path

import pytest
from PIL import Image

import vog
from test_bad_input import Cli, cli  # noqa: F401 (a fixture)
from vog.errors import ResultError
from vog.scores import SCORES


def test_the_demo(cli: Cli) -> None:  # noqa: F811
    code, out, _ = cli("demo", "--out", "demo", "--quiet")
    assert code == 0
    run = vog.open("demo/run")
    assert (run.rows, len(run.question["checkpoints"])) == (1437, 15)
    assert len(list(Path("demo/checkpoints").glob("epoch-*.pt"))) == 15
    assert "the 72 flipped labels among 1,437" in out
    found = {
        words[0]: float(words[1])
        for line in out.splitlines()
        if len(words := line.split()) == 2 and words[0] in SCORES
    }
    assert found.keys() == SCORES.keys()
    assert found["aum"] > 0.98, "what finds flipped labels on this data"
    assert found["vog"] < 0.7, "what does not, and must not be sold for it"
    for path, width in (("demo/grid.png", 1000), ("demo/error_by_decile.png", 800)):
        assert path in out
        with Image.open(path) as image:
            assert image.width > width
    assert "report           demo/report.html" in out
    assert Path("demo/report.html").stat().st_size > 1_000_000
    assert "\n  vog view demo/run\n" in out
    command = out.strip().splitlines()[-1].split()
    assert command[:2] == ["vog", "score"]
    before = {path: path.stat().st_mtime_ns for path in Path("demo/run").glob("part-*")}
    code, out, _ = cli(*command[1:])
    assert code == 0
    assert "all 1,437 rows were there already" in out, "the printed command is the same question"
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_demo_is_the_same_each_time(tmp_path: Path) -> None:
    from vog.experiments import demo

    one, other = (demo.run(tmp_path / name, quiet=True) for name in "ab")
    assert one.run.table().equals(other.run.table())


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    from vog.experiments import demo

    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ResultError, match="holds other files"):
        demo.run(tmp_path, quiet=True)
    assert not any((tmp_path / "checkpoints").iterdir())
