"""Files beside the numbered checkpoints: the last, the best, averages, links and copies.

They are no further step of training. Which were left out is said in the plan.
"""

import filecmp
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vog.checkpoints.checkpoint_folders import IN_FOLDER, is_checkpoint, single_in
from vog.checkpoints.steps import announced_by_folder, without_ending

_WORDS = re.compile(
    r"(?<![a-z])(last|latest|newest|current|best|final|swa|ema)(?![a-z])", re.IGNORECASE
)
# Each is compared with every numbered file, to say which it is.
_MOST_COMPARED = 20


@dataclass(frozen=True)
class LeftOut:
    """A name that was left out, which file it is a link to or a copy of, or what it is."""

    name: str
    same_as: str | None = None
    what: str | None = None

    @property
    def said(self) -> str:
        """Return it in words."""
        told = self.what if self.same_as is None else f"the same as {self.same_as}"
        return self.name if told is None else f"{self.name} ({told})"


def without_file(paths: Sequence[Path]) -> tuple[LeftOut, ...]:
    """Return those among paths that are named as checkpoints and lead to no file of weights."""
    odd = [path for path in paths if is_checkpoint(path) and not path.is_file()]
    odd = [path for path in odd if not (path.is_dir() and single_in(path) is not None)]
    return tuple(LeftOut(path.name, what=_what(path)) for path in odd)


def _what(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link to a file that is not there"
    return "a folder without one file of weights" if path.is_dir() else "no regular file"


def without_copies(paths: Sequence[Path]) -> tuple[list[Path], list[LeftOut]]:
    """Return the paths that are steps, and those beside them that are not.

    Where no path has a number, all are kept: their order cannot be told, which is said elsewhere.
    """
    numbered = [path for path in paths if _is_numbered(path)]
    kept = numbered or list(paths)
    aside = sorted(set(paths) - set(kept))
    compared = kept if len(aside) <= _MOST_COMPARED else []
    left_out = [LeftOut(path.name, _same(path, compared)) for path in aside]
    targets = {path.resolve(): path for path in kept if not path.is_symlink()}
    linked = {
        path: target
        for path in kept
        if path.is_symlink() and (target := targets.get(path.resolve())) is not None
    }
    left_out += [LeftOut(path.name, target.name) for path, target in linked.items()]
    return [path for path in kept if path not in linked], left_out


def without_repeated(
    paths: Sequence[Path], steps: Sequence[int]
) -> tuple[list[tuple[Path, int]], list[LeftOut]]:
    """Return each path with its step, those that repeat the bytes of the same step left out."""
    kept: dict[int, list[Path]] = {}
    left_out = []
    for path, step in zip(paths, steps, strict=True):
        same = _same(path, kept.get(step, []))
        if same is None:
            kept.setdefault(step, []).append(path)
        else:
            left_out.append(LeftOut(path.name, same))
    return [(path, step) for step, several in kept.items() for path in several], left_out


def _is_numbered(path: Path) -> bool:
    """Return whether a file may be a step: by a number of its own, or by that of its folder."""
    own, folder = without_ending(path.name), path.parent.name
    of_trainer = path.name in IN_FOLDER and re.search(r"\d", folder) is not None
    by_folder = of_trainer or announced_by_folder(folder) is not None
    return _WORDS.search(own) is None and (by_folder or re.search(r"\d", own) is not None)


def _same(path: Path, others: Sequence[Path]) -> str | None:
    """Return the name of the file among others that is the same, by link or by bytes."""
    for other in others:
        if path.samefile(other) or (
            path.is_file() and other.is_file() and filecmp.cmp(path, other, shallow=False)
        ):
            return other.name
    return None
