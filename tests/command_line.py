"""`vog` as a user starts it, for tests of what it prints and how it ends."""

import sys
from pathlib import Path

import pytest

from vog.cli import main

TESTS = Path(__file__).parent


class Cli:
    """`vog` as a user starts it, in a folder of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.capsys, self.patch = capsys, patch

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.patch.setattr(sys, "argv", ["vog", *map(str, words)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err


def score(cli: Cli, **changes: str) -> tuple[int, str, str]:
    words = {
        "model": f"{TESTS / 'world.py'}:build",
        "checkpoints": "c/*.pt",
        "data": "data.npz",
        "out": "run",
    } | changes
    return cli("score", *(w for k, v in words.items() for w in (f"--{k.replace('_', '-')}", v)))
