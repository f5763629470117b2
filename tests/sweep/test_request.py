"""The settings of a scoring have one list, and three places that agree with it."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import vog
from vog.cli.gradients import gradients
from vog.cli.score import score
from vog.sweep.request import Request

FIELDS = {field.name: field for field in dataclasses.fields(Request)}
PLAIN = {"model_arg": "model_args"}  # `--model-arg a=1` is given once for each argument


def described(text: str | None, head: str) -> dict[str, str]:
    """The descriptions below a heading of a docstring, by name."""
    lines = (text or "").partition(f"    {head}:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^        (\w+): (.*?)(?=^        \w|^$|\Z)", lines, re.S | re.M)
    return {name: " ".join(words.split()) for name, words in entries}


def defaults(function: Callable[..., Any]) -> Mapping[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {PLAIN.get(p.name, p.name): p.default for p in parameters}


def test_python_takes_every_setting_with_its_default() -> None:
    found = defaults(vog.score)
    assert list(found) == list(FIELDS)
    for name, field in FIELDS.items():
        if field.default is not dataclasses.MISSING:
            assert found[name] == field.default, name


def test_python_explains_every_setting_as_the_request_does() -> None:
    assert described(vog.score.__doc__, "Args") == described(Request.__doc__, "Attributes")
    assert described(vog.score.__doc__, "Args").keys() == FIELDS.keys()


@pytest.mark.parametrize("command", [score, gradients])
def test_the_command_line_takes_the_settings_with_their_defaults(
    command: Callable[..., Any],
) -> None:
    found = defaults(command)
    own = {"dry_run", "images"}
    assert found.keys() - own <= FIELDS.keys()
    if command is score:
        assert found.keys() - own == FIELDS.keys()
    for name in found.keys() - own:
        if FIELDS[name].default is not dataclasses.MISSING:
            assert found[name] == FIELDS[name].default, name
