"""Globs in whose paths some brackets are just letters, as in `layers=[64,64]/step-*.pt`."""

import glob
import re
from pathlib import Path


def is_glob(word: str) -> bool:
    """Return whether a word has letters that stand for others."""
    return re.search(r"[*?\[]", word) is not None


def literal_part(pattern: Path) -> Path:
    """Return the longest beginning of a pattern that exists as it is written."""
    known = Path(pattern.anchor)
    for part in pattern.parts[1:] if pattern.anchor else pattern.parts:
        if not (known / part).exists():
            break
        known = known / part
    return known


def matches(pattern: Path) -> list[Path]:
    """Return what a pattern matches, sorted; folders that exist as they are written are meant.

    Where nothing matches, brackets are taken as letters everywhere.
    """
    known = literal_part(pattern)
    rest = str(pattern)[len(str(known)) :] if known.parts else str(pattern)
    start = glob.escape(str(known)) if known.parts else ""
    found = glob.glob(start + rest, recursive=True)  # noqa: PTH207 (absolute patterns)
    if not found and "[" in rest:
        found = glob.glob(start + rest.replace("[", "[[]"), recursive=True)  # noqa: PTH207
    return [Path(match) for match in sorted(found)]
