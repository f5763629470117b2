"""The documents say what the code does: score table, commands, public names, version."""

import re
import shlex
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

import vog
from vog.cli import app
from vog.cli.printing import TableFormat
from vog.cli.scores import scores
from vog.scores import SCORES

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_score_table_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    scores(TableFormat.CSV)
    import csv

    printed = [list(row.values()) for row in csv.DictReader(capsys.readouterr().out.splitlines())]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs/scores.md").read_text(), re.M)
    assert [[name, *rest.split(" | ")] for name, rest in rows] == printed


def test_every_score_is_explained() -> None:
    explained = (ROOT / "docs/scores.md").read_text().partition("## What they are")[2]
    assert [name for name in SCORES if f"`{name}`:" not in explained] == []


def commands() -> list[str]:
    return [
        line.strip()
        for path in DOCS
        for line in path.read_text().splitlines()
        if re.match(r"    vog \w", line)
    ]


@pytest.mark.parametrize("line", commands())
def test_commands_in_the_documents_are_understood(line: str) -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    name, *words = shlex.split(line)[1:]
    command = group.commands[name]
    context = command.make_context(name, words, resilient_parsing=False)
    assert context.params


def test_there_are_commands_to_check() -> None:
    assert len(commands()) >= 8


def test_public_names_are_documented() -> None:
    text = "\n".join(path.read_text() for path in DOCS)
    assert [name for name in vog.__all__ if f"vog.{name}" not in text] == []
    assert set(re.findall(r"\bvog\.([a-zA-Z]\w*)\(", text)) <= set(vog.__all__)
    assert all(hasattr(vog, name) for name in vog.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'scor'"):
        vog.scor  # noqa: B018


def test_methods_in_the_documents_exist() -> None:
    text = "\n".join(path.read_text() for path in DOCS)
    used = set(re.findall(r"\brun\.(\w+)\(", text))
    assert used
    assert [name for name in used if not hasattr(vog.Run, name)] == []


def test_links_and_pictures_are_there() -> None:
    for path in DOCS:
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            assert target.startswith("https://") or (path.parent / target).exists(), target


def test_the_version_is_told_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version("vog") == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_readme_fits_on_a_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 55


def test_every_file_says_why_it_exists() -> None:
    silent = [
        path
        for folder in ("src", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        if not path.read_text().startswith(('"""', 'r"""'))
    ]
    assert silent == []
