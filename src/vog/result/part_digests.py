"""The digests of the parts of a run, stored outside of them: `digests.json` in the run folder.

They reveal a part whose bytes have changed since it was written. Beside each digest stand the
seconds that its rows took, which are not in the part: the same rows must give the same bytes.

Two processes that replaced `digests.json` would lose each other's digests. So where several write
parts at the same time, each part has its digest in a small file beside it, of the same form. The
process that holds the lock of the folder gathers the small files into `digests.json`.
"""

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vog.errors import ResultError
from vog.files.output_paths import write_failure
from vog.files.writing import write_text
from vog.result import part_names
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
    """The contents of `digests.json`, and of the small files of single parts.

    Attributes:
        parts: the digest of each part, by the name of its file.
        damage: why `digests.json` cannot be trusted; "" if it can.
        recovered: digests that stand anywhere in a damaged file. A part with such a digest is
            whole: no damage produces a digest that fits.
        small_files: the small file of each part that has one, by the name of the part.
        damaged_files: the contents of each small file that cannot be trusted and whose part
            `digests.json` does not name, by the name of the part.
    """

    parts: Mapping[str, PartDigest] = field(default_factory=dict)
    damage: str = ""
    recovered: frozenset[str] = frozenset()
    small_files: Mapping[str, Path] = field(default_factory=dict)
    damaged_files: Mapping[str, "Digests"] = field(default_factory=dict)

    @property
    def damage_by_file(self) -> dict[str, str]:
        """The damage of each file that cannot be trusted, by the name of the file."""
        small = {
            self.small_files[part].name: content.damage
            for part, content in self.damaged_files.items()
        }
        return {FILE: self.damage, **small} if self.damage else small

    def recovered_for(self, part: str) -> frozenset[str]:
        """Return the digests in damaged files of which one proves that a part is whole."""
        small = self.damaged_files.get(part)
        return self.recovered if small is None else self.recovered | small.recovered

    def of_absent_parts(self, listed: Collection[str]) -> dict[str, PartDigest]:
        """Return the digests in small files whose parts are not listed.

        A writer may outlive the process that held the lock, and give its part the name later.

        Args:
            listed: the names of the parts that the folder held before the digests were read.
        """
        absent = self.small_files.keys() - set(listed)
        return {name: self.parts[name] for name in absent if name in self.parts}


def load_digests(folder: Path) -> Digests:
    """Return the digests of a run folder, wherever they stand; none if there are no files of them.

    Raises:
        ResultError: a file cannot be read.
    """
    # The small files first: a file that vanishes meanwhile has been gathered into `digests.json`.
    small_files = part_names.digest_files(folder)
    small = {part: _read(path) for part, path in small_files.items()}
    gathered = _read(folder / FILE)
    trusted = {
        part: content.parts[part] for part, content in small.items() if part in content.parts
    }
    damaged = {
        part: content
        for part, content in small.items()
        if content.damage and part not in gathered.parts
    }
    parts = {**gathered.parts, **trusted}
    return replace(gathered, parts=parts, small_files=small_files, damaged_files=damaged)


def write_digests(folder: Path, parts: Mapping[str, PartDigest]) -> None:
    """Replace `digests.json` as a whole, with one line for each part."""
    _write(folder / FILE, parts)


def write_small_file(part: Path, digest: PartDigest) -> None:
    """Write the digest of one part into a small file beside it."""
    _write(part_names.digest_file(part), {part.name: digest})


def gather_digests(folder: Path) -> None:
    """Move the digests of all small files into `digests.json`; only the holder of the lock may.

    Files that are damaged stay as they are, until the run is continued and repaired.

    Raises:
        ResultError: a file cannot be read or written.
    """
    digests = load_digests(folder)
    gathered = [path for part, path in digests.small_files.items() if part in digests.parts]
    if gathered and not digests.damage:
        write_digests(folder, digests.parts)
        # Only now: a process that is killed before this leaves each digest in one place or both.
        remove_small_files(gathered)


def remove_small_files(paths: Iterable[Path]) -> None:
    """Remove small files whose digests are not needed, or stand in `digests.json`.

    Raises:
        ResultError: a file cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ResultError(write_failure(path, error)) from error


def _read(path: Path) -> Digests:
    """Return the contents of `digests.json` or of a small file; nothing if there is no file."""
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


def _write(path: Path, parts: Mapping[str, PartDigest]) -> None:
    lines = ",\n".join(f"{json.dumps(name)}: {_line(part)}" for name, part in sorted(parts.items()))
    check = json.dumps(_checksum(parts))
    write_text(path, f'{{"parts": {{\n{lines}\n}},\n"check": {check}}}\n')


def _line(digest: PartDigest) -> str:
    seconds = round(digest.seconds, 3) if math.isfinite(digest.seconds) else 0.0
    return json.dumps({"sha256": digest.sha256, "seconds": seconds})


def _checksum(parts: Mapping[str, Any]) -> str:
    text = "\n".join(f"{name} {_line(digest)}" for name, digest in sorted(parts.items()))
    return hashlib.sha256(text.encode()).hexdigest()
