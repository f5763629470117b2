"""The digests of the parts of a run, stored outside of them: `digests.json` in the run folder.

They reveal a part whose bytes have changed since it was written. Beside each digest stand the
seconds that its rows took, which are not in the part: the same rows must give the same bytes.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vog.errors import ResultError
from vog.files.writing import write_text
from vog.result.question import unreadable_message

FILE = "digests.json"


@dataclass(frozen=True)
class PartDigest:
    """The stored digest of one part.

    Attributes:
        sha256: the digest of all bytes of its file.
        seconds: the time that its rows took to compute.
    """

    sha256: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Digests:
    """The contents of `digests.json`.

    Attributes:
        parts: the digest of each part, by the name of its file.
        damage: why `digests.json` cannot be trusted; "" if it can.
        recovered: digests that stand anywhere in a damaged file. A part with such a digest is
            whole: no damage produces a digest that fits.
    """

    parts: Mapping[str, PartDigest] = field(default_factory=dict)
    damage: str = ""
    recovered: frozenset[str] = frozenset()


def load_digests(folder: Path) -> Digests:
    """Return the digests of a run folder; none if it has no `digests.json`.

    Raises:
        ResultError: the file cannot be read.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Digests()
    except OSError as error:
        raise ResultError(unreadable_message(path, error)) from error
    try:
        record = json.loads(content)
        parts = {
            name: PartDigest(row["sha256"], row["seconds"]) for name, row in record["parts"].items()
        }
        if record["check"] == _checksum(parts):
            return Digests(parts)
        why = "its own checksum does not fit"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
    text = content.decode("ascii", errors="replace")
    return Digests(damage=why, recovered=frozenset(re.findall(r"[0-9a-f]{64}", text)))


def write_digests(folder: Path, parts: Mapping[str, PartDigest]) -> None:
    """Replace `digests.json` as a whole, with one line for each part."""
    lines = ",\n".join(f"{json.dumps(name)}: {_line(part)}" for name, part in sorted(parts.items()))
    check = json.dumps(_checksum(parts))
    write_text(folder / FILE, f'{{"parts": {{\n{lines}\n}},\n"check": {check}}}\n')


def _line(digest: PartDigest) -> str:
    seconds = round(digest.seconds, 3) if math.isfinite(digest.seconds) else 0.0
    return json.dumps({"sha256": digest.sha256, "seconds": seconds})


def _checksum(parts: Mapping[str, Any]) -> str:
    text = "\n".join(f"{name} {_line(digest)}" for name, digest in sorted(parts.items()))
    return hashlib.sha256(text.encode()).hexdigest()
