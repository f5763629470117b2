"""Runs of a few columns, to be compared and averaged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from random_columns import Make
from runs import write_run
from vog.result import Run


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A run folder of these columns, with ids a, b, ... and two classes in turns."""

    def made(
        name: str,
        values: Mapping[str, Sequence[float]],
        ids: Sequence[str] | None = None,
        labels: Sequence[int] | None = None,
        predictions: Sequence[int] | None = None,
        higher: str = "harder",
        problems: dict[int, str] | None = None,
        **question: Any,
    ) -> Run:
        count = len(next(iter(values.values())))
        return write_run(
            tmp_path / name,
            values,
            [row % 2 for row in range(count)] if labels is None else labels,
            [0] * count if predictions is None else predictions,
            higher,
            ids="abcdefghijklmnopqrstuvwxyz"[:count] if ids is None else ids,
            problems=problems,
            class_names=["cat", "dog"],
            **question,
        )

    return made
