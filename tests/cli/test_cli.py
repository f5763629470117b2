"""The command line as a user meets it: words in, text and exit code out."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

import vog
import world
from command_line import Cli, score
from vog.analysis.one_run.correlation import spearman
from vog.cli import app
from vog.scores import SCORES
from vog.sweep.job import Job
from vog.sweep.loop import Summary, sweep
from vog.sweep.memory_plan import MemoryPlan, plan_memory

GROUP = get_command(app)
assert isinstance(GROUP, TyperGroup)
COMMANDS = pytest.mark.parametrize("command", GROUP.commands.values(), ids=GROUP.commands.keys())


@pytest.mark.process
@pytest.mark.parametrize("code", ["import vog.cli", "import vog; vog.VogError"])
def test_start_up_does_not_import_what_is_slow(code: str) -> None:
    slow = {"torch", "pyarrow", "duckdb", "altair", "scipy", "sklearn", "numpy", "PIL"}
    check = f"import sys; {code}; print(sorted({slow} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.process
@pytest.mark.slow
def test_help_is_answered_without_torch() -> None:
    blocked = "import sys; sys.modules['torch'] = None; from vog.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", blocked, "score", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Score every example of a dataset" in run.stdout


@COMMANDS
def test_every_command_explains_itself_with_an_example(command: TyperCommand) -> None:
    assert command.help
    assert f"vog {command.name} " in command.help or command.name == "scores"
    assert all(p.help for p in command.params if isinstance(p, TyperOption))


def test_a_glob_that_the_shell_expands(cli: Cli) -> None:
    files = sorted(str(path) for path in Path("c").iterdir())
    words = f"score --model {Path(world.__file__)}:build --data data.npz --checkpoints".split()
    code, _, err = cli(*words, *files, "--out", "run", "--quiet")
    assert code == 0
    assert err.startswith("warning: the last checkpoint agrees with")  # it was never trained
    assert len(vog.open("run").question["checkpoints"]) == 3


def test_a_dry_run_prints_the_plan_and_writes_nothing(cli: Cli) -> None:
    words = f"score --model {Path(world.__file__)}:build --data data.npz --checkpoints c".split()
    code, _, err = cli(*words, "--out", "run", "--dry-run", "--batch-size", "6")
    assert code == 0
    for line in (
        "examples     20",
        "checkpoints  3, step 100 to 300",
        "stages       all 0:3",
        "batch size   6, 0 worker processes",
        "from two probe batches; nothing is written",
    ):
        assert line in err
    size = sum(v.nbytes for v in world.build().state_dict().values()) * 3 / 1e6
    assert f"weights      {size:,.1f} MB in memory" in err
    assert not Path("run").exists()


def test_top_lists_the_hardest_of_a_class(cli: Cli) -> None:
    score(cli)
    code, out, err = cli(
        *["top", "run", "--by", "el2n@all", "--label", "2", "--count", "3", "--format", "json"]
    )
    assert code == 0
    assert err.startswith("warning: the last checkpoint agrees with")  # it was never trained
    rows = json.loads(out)
    assert [row["label"] for row in rows] == [2, 2, 2]
    expected = vog.open("run").top(3, by="el2n@all", label=2)["el2n@all"].to_pylist()
    assert [row["el2n@all"] for row in rows] == expected
    _, out, _ = cli(*["top", "run", "--count", "2", "--easiest", "--format", "csv"])
    assert len(list(csv.DictReader(io.StringIO(out)))) == 2
    _, out, _ = cli(*["top", "run", "--by", "forgetting@all", "--count", "20"])
    assert "vog" not in out
    assert out.splitlines()[0].split() == [
        "id",
        "label",
        "prediction@all",
        "forgetting@all",
    ]


def test_infinity_is_valid_json(cli: Cli) -> None:
    score(cli)
    _, out, _ = cli(*["top", "run", "--by", "forgetting@all", "--count", "20", "--format", "json"])
    values = [row["forgetting@all"] for row in json.loads(out, parse_constant=pytest.fail)]
    assert "Infinity" in values


def test_an_unfinished_run_says_so(cli: Cli) -> None:
    score(cli)
    run = vog.open("run")
    run.question["data"]["examples"] = 25
    Path("run/question.json").write_text(json.dumps(run.question))
    _, _, err = cli("top", "run")
    assert "run has 20 rows; 5 are missing" in err


def test_export_says_where_it_is(cli: Cli) -> None:
    score(cli)
    code, out, _ = cli(*["export", "run", "--out", "scores.csv", "--columns", "id,vog@all:class"])
    assert (code, out) == (0, "scores.csv: 20 rows\n")
    with Path("scores.csv").open() as file:
        found = [float(row["vog@all:class"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(found, vog.open("run").table(["vog@all:class"])["vog@all:class"])


def test_scores_are_listed(cli: Cli) -> None:
    _, out, _ = cli("scores", "--format", "json")
    assert [row["score"] for row in json.loads(out)] == list(SCORES)


@pytest.mark.slow
def test_a_larger_limit_goes_on_and_a_smaller_one_is_refused(cli: Cli) -> None:
    assert score(cli, limit="7")[0] == 0
    assert vog.open("run").rows == 7
    assert score(cli)[0] == 0
    assert vog.open("run").rows == 20
    code, _, err = score(cli, limit="7")
    assert code == 1
    assert "run was begun with 20 rows and without --limit, and --limit 7 is smaller." in err


def test_the_summary_says_what_held_the_run_up(cli: Cli) -> None:
    _, out, _ = score(cli)
    assert re.search(
        r"Alone, 1 process would read [\d,]+ examples a second and the model score [\d,]+; "
        r"(computing|reading|writing) took \d+% of the time",
        out,
    )


def summary(seconds: float, reading: float, writing: float, decoding: float) -> Summary:
    return Summary(100, seconds, reading, writing, decoding, readers=2, batch_size=8)


def test_rates_of_the_summary_by_hand() -> None:
    """100 rows, two readers busy for 4 s together: 50 a second; 10 - 2 - 3 s of computing: 20."""
    done = summary(10.0, reading=2.0, writing=3.0, decoding=4.0)
    assert (done.read_rate, done.scored_rate) == (50, 20)
    assert done.bottleneck == "computing took 50% of the time"
    assert "reading took 60% of the time: raise workers" in summary(10.0, 6.0, 1.0, 20.0).bottleneck
    assert (
        "writing took 70% of the time: use a faster disk" in summary(10.0, 1.0, 7.0, 1.0).bottleneck
    )


def test_batches_that_did_not_fit_are_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vog.sweep.loop.sweep", lambda job: _swept(job))
    _, out, err = score(cli, batch_size="16")
    assert "run: 20 rows" in out
    assert "Memory ran out: batches of 16 were computed 8 examples at a time in the end" in err


def _swept(job: Job) -> Summary:
    return replace(sweep(job), batch_size=8)


@pytest.mark.slow
def test_checkpoints_per_stage_say_what_they_cost(cli: Cli) -> None:
    shutil.rmtree("c")
    world.save_checkpoints(Path("c"), 9)
    assert score(cli, out="all")[0] == 0
    code, _, err = score(cli, checkpoints_per_stage="2")
    assert code == 0
    assert "checkpoints  6, step 100 to 900" in err
    run, whole = vog.open("run"), vog.open("all")
    assert [one["step"] for one in run.question["checkpoints"]] == [100, 300, 400, 600, 700, 900]
    found = run.question["approximation"]
    assert (found["checkpoints"], found["examples"]) == (9, 20)
    for column in ("vog@early", "vog@all", "aum@late"):
        expected = spearman(run.table()[column].to_numpy(), whole.table()[column].to_numpy())
        assert found["spearman"][column] == pytest.approx(expected, abs=1e-4)
    least = min(value for name, value in found["spearman"].items() if name.startswith("vog@"))
    assert "6 of 9 checkpoints; vog@" in err
    assert f"has rank correlation {least:.3f} with all of them (20 examples)" in err
    _, out, again = score(cli, checkpoints_per_stage="2")
    assert "all 20 rows were there already" in out
    assert f"{least:.3f} with all of them (20 examples)" in again


@pytest.mark.slow
def test_weights_that_are_read_again_are_in_the_plan(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def streamed(*given: Any) -> MemoryPlan:
        return replace(plan_memory(*given), hold=False, block_size=20)

    monkeypatch.setattr("vog.sweep.memory_plan.plan_memory", streamed)
    _, _, err = score(cli)
    assert "MB in memory; read again for each 20 examples" in err
    assert re.search(r"memory       \d+\.\d\d of \d+\.\d\d GB", err)
