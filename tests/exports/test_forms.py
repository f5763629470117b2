"""A form of an export is one object: a line in the table makes it a format with its flags."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

import vog
from command_line import Cli
from four_rows import VERDICT, four_rows
from vog.analysis.label_errors.verdict import Verdict
from vog.cli import app
from vog.errors import ResultError
from vog.exports.form import PLANTED, SAFE_CSV, Form, FormOption
from vog.exports.judged_labels import JudgedLabels
from vog.exports.registry import FORMS, flag_options
from vog.files.writing import write_text
from vog.result import Run


def write_ids(
    run: Run,
    out: Path,
    columns: Sequence[str] | None,
    judged: JudgedLabels,
    line_end: str = "\n",
    first: int | None = None,
    shout: bool = False,
) -> int:
    """The ids, with a mark at those that are suspects."""
    suspect = judged.require_verdict().suspect
    lines = [
        name + " !" * bool(bad)
        for name, bad in zip(run.table(["id"])["id"].to_pylist(), suspect, strict=True)
    ][:first]
    text = "".join(line + line_end for line in lines)
    write_text(out, text.upper() if shout else text)
    return len(lines)


IDS = Form(
    "ids",
    (".ids", ".txt"),
    write_ids,
    (
        FormOption("line_end", str, "What ends a line."),
        FormOption("first", int, "For ids: write only N.", minimum=1),
        FormOption("shout", bool, "Write capitals.", parse=bool),
        PLANTED,
        FormOption("only_in_python", None, "What no flag can say."),
    ),
    reader="people",
    by_ending=True,
    after=lambda run, out: [f"{out}: of {run.rows} rows"],
)


@pytest.fixture(autouse=True)
def form(monkeypatch: pytest.MonkeyPatch, judged: list[Verdict]) -> None:
    monkeypatch.setitem(FORMS, "ids", IDS)


def test_from_python(tmp_path: Path) -> None:
    run = four_rows(tmp_path / "run")
    out = tmp_path / "x.IDS"
    assert vog.export(run, out, line_end=";", first=2) == out
    assert out.read_text() == "a/0.png;a/1 b+c.png !;"
    with pytest.raises(
        ResultError,
        match="format ids takes no lineend; it takes line_end, first, shout, planted, only_in_py",
    ):
        vog.export(run, out, "ids", lineend=";")
    with pytest.raises(ResultError, match=r"ids files end in \.ids, not .*x\.txt\. Rename out"):
        vog.export(run, tmp_path / "x.txt", "ids")


def test_from_the_command_line(cli: Cli) -> None:
    four_rows(Path("run"))
    words = ["--line-end", ";", "--first", "2", "--shout"]
    code, out, _ = cli("export", "run", "--out", "x.ids", *words)
    assert (code, out) == (0, "x.ids: 2 rows\nx.ids: of 4 rows\n")
    assert Path("x.ids").read_text() == "A/0.PNG;A/1 B+C.PNG !;"
    assert cli(*["export", "run", "--out", "x.ids", "--first", "0"])[0] == 2
    code, _, err = cli(*["export", "run", "--out", "x.csv", "--shout"])
    assert (code, err) == (1, "Error: the format csv takes no --shout; it takes --safe-csv.\n")
    assert cli(*["export", "run", "--out", "x.ids", "--only-in-python", "1"])[0] == 2


def test_in_the_help() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    command = group.commands["export"]
    context = command.make_context("export", ["run", "--out", "x.ids"])
    helps = {one.opts[0]: getattr(one, "help", None) for one in command.get_params(context)}
    assert helps["--first"] == "For ids: write only N."
    assert helps["--shout"] == "Write capitals."
    assert "csv, parquet or jsonl for the rows as they are" in (helps["--format"] or "")
    assert "ids (.ids and .txt, for people). Default" in (helps["--format"] or "")
    assert list(helps)[-1] == "--help"
    assert "--only-in-python" not in helps


def test_an_option_of_several_forms_is_one_flag() -> None:
    """Only the last would become a flag, so all must be the same."""
    every = {choice for form in FORMS.values() for choice in form.options}
    names = [choice.name for choice in every]
    assert len(names) == len(set(names))
    assert {PLANTED, SAFE_CSV} <= set(flag_options())
    assert all(name == form.name for name, form in FORMS.items())


def test_labels_are_judged_once_and_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Run] = []

    def judge(run: Run, planted: object = None) -> tuple[Verdict, None]:
        calls.append(run)
        return VERDICT, None

    monkeypatch.setattr("vog.exports.judged_labels.verdict_or_why", judge)
    run = four_rows(tmp_path / "run")
    vog.export(run, tmp_path / "x.csv")
    vog.export(run, tmp_path / "x.npy", columns=["aum@all"])
    assert calls == []
    labels = JudgedLabels(run)
    assert labels.verdict is labels.require_suspects() is VERDICT
    assert labels.why_no_suspects is None
    assert len(calls) == 1
    for number, form in enumerate(("cleanlab", "weights", "ids"), start=2):
        vog.export(run, tmp_path / f"x{FORMS[form].endings[0]}", form)
        assert len(calls) == number
