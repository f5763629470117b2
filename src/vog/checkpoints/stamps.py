"""Notice that a checkpoint, a file or a folder, was changed, without reading it again."""

from collections.abc import Iterator
from pathlib import Path

from vog.checkpoints.readers.distributed import METADATA
from vog.checkpoints.tensorflow_paths import data_files, is_index

# Size in bytes, time of the last change and number of files; of a folder, of all that is in it.
Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp | None:
    """Return what changes when a checkpoint is written again; None if it is not there."""
    try:
        stats = [entry.stat() for entry in _entries_of(path)]
    except OSError:
        return None
    newest = max(stat.st_mtime_ns for stat in stats)
    return sum(stat.st_size for stat in stats), newest, len(stats)


def _entries_of(path: Path) -> Iterator[Path]:
    """Yield a path and, if it is a folder, all that is in it; for an index also its data files."""
    yield path
    if is_index(path):
        yield from data_files(path)
    if path.name == METADATA:
        yield from path.parent.glob("*.distcp")
    if path.is_dir():
        yield from path.rglob("*")
