"""The demo from the first command to the last picture, on the real digits."""

import re
from pathlib import Path

import pytest
from PIL import Image

import vog
from command_line import Cli
from vog.errors import ResultError
from vog.experiments import demo
from vog.scores import SCORES


@pytest.mark.slow
def test_the_demo(cli: Cli) -> None:
    code, out, _ = cli("demo", "--out", "demo", "--quiet")
    assert code == 0
    run = vog.open("demo/run")
    assert (run.rows, len(run.question["checkpoints"])) == (1437, 15)
    assert len(list(Path("demo/checkpoints").glob("epoch-*.pt"))) == 15
    assert "the 72 flipped labels among 1,437" in out
    found = {
        words[0]: float(words[1])
        for line in out.splitlines()
        if len(words := line.split()) == 5 and words[2].startswith("[")
    }
    assert found.keys() == {*SCORES, "combination"}
    assert found["aum"] > 0.98, "what finds flipped labels on this data"
    assert found["vog"] < 0.7, "what does not, and must not be sold for it"
    verdict = re.search(r"(\d+) labels are suspects, (\d+) of them\s+are among the 72", out)
    assert verdict is not None
    suspects, right = map(int, verdict.groups())
    assert right > 65
    assert right / suspects > 0.8
    code, told, _ = cli("suspects", "demo/run", "--planted", "demo/planted")
    assert (code, "Half of the planted rank above all but" in told) == (0, True)
    pictures = {"grid.png": 1000, "error_by_decile.png": 800, "which_score.png": 800}
    for path, width in ((f"demo/{name}", width) for name, width in pictures.items()):
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
    again = demo.run_demo(Path("again"), quiet=True)
    assert again.run.table().equals(run.table()), "a demo is the same each time"


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ResultError, match="holds other files"):
        demo.run_demo(tmp_path, quiet=True)
    assert not any((tmp_path / "checkpoints").iterdir())
