"""Single flipped bits in the files of a run, and what is read from it: told, harmless or silent."""

import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vog
from vog.errors import ResultError
from vog.result.sql import RunTables


def replace(path: Path, content: bytes) -> None:
    """Give a file another content, as another file of the same name."""
    beside = path.with_name("other")
    beside.write_bytes(content)
    os.replace(beside, path)  # noqa: PTH105


def everything(folder: Path) -> tuple[Any, ...]:
    """Return all that both doors of a run show: the tables of Arrow, and those of DuckDB.

    Raises:
        ResultError: it says that something is damaged or missing.
    """
    run = vog.open(folder)
    if run.missing_rows:
        raise ResultError(f"{run.missing_rows} rows are missing")
    rows = RunTables(run).query("SELECT * FROM rows ORDER BY index", [])
    columns = [(field.name, str(field.metadata)) for field in run.schema]
    return repr(run.table().to_pydict()), repr(rows), columns, run.label_names


def flipped(folder: Path, files: Sequence[Path], count: int, seed: int) -> Counter[str]:
    """Return how many of so many flips were told, harmless, or silent."""
    draw, seen, known = random.Random(seed), Counter[str](), everything(folder)
    for _ in range(count):
        path = draw.choice(files)
        content = path.read_bytes()
        spoiled = bytearray(content)
        spoiled[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        replace(path, bytes(spoiled))
        try:
            seen["harmless" if everything(folder) == known else f"silent: {path.name}"] += 1
        except ResultError:
            seen["told"] += 1
        finally:
            replace(path, content)
    return seen
