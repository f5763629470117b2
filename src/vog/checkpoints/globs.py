"""Globs in which some brackets are plain characters, such as `layers=[64,64]/step-*.pt`."""

import glob
import re
from pathlib import Path


def is_glob(text: str) -> bool:
    """Return whether a text has wildcards (`*`, `?` or `[`)."""
    return re.search(r"[*?\[]", text) is not None


def existing_part(pattern: Path) -> Path:
    """Return the longest beginning of a pattern that exists literally."""
    existing = Path(pattern.anchor)
    for part in pattern.parts[1:] if pattern.anchor else pattern.parts:
        if not (existing / part).exists():
            break
        existing = existing / part
    return existing


def matches(pattern: Path) -> list[Path]:
    """Return the paths that a pattern matches, sorted; folders that exist literally are literal.

    If nothing matches, all brackets are taken as plain characters.
    """
    existing = existing_part(pattern)
    rest = str(pattern)[len(str(existing)) :] if existing.parts else str(pattern)
    escaped_start = glob.escape(str(existing)) if existing.parts else ""
    names = glob.glob(escaped_start + rest, recursive=True)  # noqa: PTH207 (absolute patterns)
    if not names and "[" in rest:
        names = glob.glob(escaped_start + rest.replace("[", "[[]"), recursive=True)  # noqa: PTH207
    return [Path(name) for name in sorted(names)]
