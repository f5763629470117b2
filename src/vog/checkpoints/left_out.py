"""Files beside the numbered checkpoints: the last, the best, averages, links and copies.

They are not additional steps of training. The plan names the files that were left out.
"""

import filecmp
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vog.checkpoints.checkpoint_folders import FOLDER_NAMES, is_checkpoint, weights_file
from vog.checkpoints.steps import step_of_folder, without_ending
from vog.checkpoints.tensorflow_paths import named_path

_SPECIAL_NAMES = re.compile(
    r"(?<![a-z])(last|latest|newest|current|best|final|swa|ema|recovery)(?![a-z])", re.IGNORECASE
)
# Each file left out is compared with every numbered file, which takes long if there are many.
_MOST_COMPARED = 20


@dataclass(frozen=True)
class LeftOutFile:
    """The name of a file that was left out, with the equal file (link or copy) or the reason."""

    name: str
    same_as: str | None = None
    description: str | None = None

    @property
    def summary(self) -> str:
        """Return the name with the reason in brackets."""
        description = self.description if self.same_as is None else f"the same as {self.same_as}"
        return self.name if description is None else f"{self.name} ({description})"


def without_weights(paths: Sequence[Path]) -> tuple[LeftOutFile, ...]:
    """Return the paths that are named like checkpoints but lead to no file of weights."""
    entries = [path for path in paths if is_checkpoint(path) and not path.is_file()]
    entries = [path for path in entries if not (path.is_dir() and weights_file(path) is not None)]
    return tuple(LeftOutFile(path.name, description=_describe_entry(path)) for path in entries)


def _describe_entry(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link to a file that is not there"
    return "a folder without one file of weights" if path.is_dir() else "no regular file"


def separate_copies(paths: Sequence[Path]) -> tuple[list[Path], list[LeftOutFile]]:
    """Return the paths that are training steps, and the other ones, which are left out.

    If no path has a number, all are returned as steps: `read_steps` reports the unclear order.
    """
    numbered = [path for path in paths if _is_numbered(path)]
    step_paths = numbered or list(paths)
    rest = sorted(set(paths) - set(step_paths))
    compared_paths = step_paths if len(rest) <= _MOST_COMPARED else []
    left_out = [LeftOutFile(path.name, _equal_file(path, compared_paths)) for path in rest]
    targets = {path.resolve(): path for path in step_paths if not path.is_symlink()}
    linked = {
        path: target
        for path in step_paths
        if path.is_symlink() and (target := targets.get(path.resolve())) is not None
    }
    left_out += [LeftOutFile(path.name, target.name) for path, target in linked.items()]
    return [path for path in step_paths if path not in linked], left_out


def separate_repeated_steps(
    paths: Sequence[Path], steps: Sequence[int]
) -> tuple[list[tuple[Path, int]], list[LeftOutFile]]:
    """Return each path with its step, and the files left out: equal bytes at the same step."""
    by_step: dict[int, list[Path]] = {}
    left_out = []
    for path, step in zip(paths, steps, strict=True):
        same_as = _equal_file(path, by_step.get(step, []))
        if same_as is None:
            by_step.setdefault(step, []).append(path)
        else:
            left_out.append(LeftOutFile(path.name, same_as))
    return [(path, step) for step, step_paths in by_step.items() for path in step_paths], left_out


def _is_numbered(path: Path) -> bool:
    """Return whether a file may be a step: its own name or that of its folder has a number."""
    path = named_path(path)
    stem, folder = without_ending(path.name), path.parent.name
    has_trainer_name = path.name in FOLDER_NAMES and re.search(r"\d", folder) is not None
    by_folder = has_trainer_name or step_of_folder(folder) is not None
    return _SPECIAL_NAMES.search(stem) is None and (by_folder or re.search(r"\d", stem) is not None)


def _equal_file(path: Path, candidates: Sequence[Path]) -> str | None:
    """Return the name of the first candidate that is the same file or has equal bytes."""
    for candidate in candidates:
        if path.samefile(candidate) or (
            path.is_file() and candidate.is_file() and filecmp.cmp(path, candidate, shallow=False)
        ):
            return candidate.name
    return None
