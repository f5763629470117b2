"""Planting into image files: a folder with a sub-folder a class, or a list of files."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from vog.data.examples import Examples
from vog.data.images import ImageReader
from vog.errors import DataError, ResultError
from vog.files.file_names import printable
from vog.files.writing import write_text
from vog.pixels import file_size
from vog.planting import pillow_images
from vog.planting.assignment import ADDED, PlannedFault, PlantingTarget
from vog.planting.corruptions import OTHER, Values
from vog.planting.unique_names import THRESHOLD_CLASS, Names, below_one_folder
from vog.result.planting_record import CORRUPT, DUPLICATE, Plant

DATA, LISTING = "data", "data.txt"
_SAMPLED = 32


@dataclass(frozen=True)
class Files:
    """Image files, of which copies are planted into."""

    examples: Examples
    reader: ImageReader
    others: Examples | None
    other: ImageReader | None

    @property
    def written(self) -> str:
        """The data in the folder that is made, as `vog score --data` takes them."""
        return LISTING if self.examples.label_names is None else DATA

    @property
    def ground(self) -> PlantingTarget:
        """What is planted into."""
        labels, names = self.reader.labels, self.examples.label_names
        other = self.other
        return PlantingTarget(
            labels,
            int(labels.max()) + 1 if names is None else len(names),
            is_image=True,
            usable=lambda row: pillow_images.can_be_altered(_path(self.reader, row)),
            others=None if other is None else len(other.paths),
            other_usable=lambda row: (
                other is not None and pillow_images.can_be_altered(_path(other, row))
            ),
        )

    def check(self, threshold: bool) -> None:
        """Nothing, unless classes are numbered by folders that `~threshold` would come before.

        Raises:
            DataError: it would.
        """
        names = self.examples.label_names or ()
        later = [name for name in names if name >= THRESHOLD_CLASS]
        if threshold and later:
            raise DataError(
                f"--threshold adds the class {THRESHOLD_CLASS!r}, which has to be the last: "
                f"folders are numbered in alphabetical order, and {later[0]!r} comes after it, so "
                f"its number would change. Rename that folder, or give a list file."
            )

    def steps(self, changes: Sequence[PlannedFault]) -> int:
        """One a file."""
        return len(self.examples) + sum(one.kind in ADDED for one in changes)

    def bytes_needed(self, changes: Sequence[PlannedFault], link: bool) -> int:
        """Of disk, about: what is altered is taken to be as large as what it is made from.

        Raises:
            DataError: some of what would be copied is no file.
        """
        sizes = [_size(self.reader, row) for row in range(len(self.examples))]
        made = [one for one in changes if one.kind in (CORRUPT, *ADDED)]
        own = sum(sizes[one.row] for one in made if one.how != OTHER)
        other = sum(
            _size(self.other, one.row)
            for one in made
            if one.how == OTHER and self.other is not None
        )
        return own + other + (0 if link else sum(sizes))

    def write(
        self,
        folder: Path,
        changes: Sequence[PlannedFault],
        seed: int,
        link: bool,
        tell: Callable[[int], None],
    ) -> list[Plant]:
        """The planted files, and what came of each change.

        Raises:
            ResultError: a file cannot be read or written.
        """
        writing = _Writing(self, folder / DATA, seed, link)
        for name in writing.folders:
            (writing.folder / name).mkdir(parents=True)
        writing.folder.mkdir(exist_ok=True)
        try:
            rows, plants = writing.all(changes, tell)
        except OSError as error:
            raise ResultError(
                f"{error.filename or folder} could not be copied or written: "
                f"{error.strerror or error}. Nothing was planted."
            ) from error
        if not self.examples.label_names:
            lines = "".join(f"{printable(name)} {label}\n" for name, label in rows)
            write_text(folder / LISTING, lines)
        return plants


@dataclass(frozen=True)
class _Writing:
    """The files of one planting, while they are written."""

    files: Files
    folder: Path
    seed: int
    link: bool

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Those of the classes, also where one is left without examples: it has a number."""
        names = self.files.examples.label_names or ()
        as_on_disk = dict(
            zip(
                self.files.reader.labels.tolist(),
                (path.partition("/")[0] for path in self.files.reader.paths),
                strict=True,
            )
        )
        return tuple(as_on_disk.get(label, name) for label, name in enumerate(names))

    @cached_property
    def values(self) -> Values:
        return _values(self.files.reader)

    def all(
        self, changes: Sequence[PlannedFault], tell: Callable[[int], None]
    ) -> tuple[list[tuple[str, int]], list[Plant]]:
        """The name and label of each file, originals first, and the record."""
        reader = self.files.reader
        own = below_one_folder(reader.paths, reader.root)
        replaced = {one.row: one for one in changes if one.kind not in ADDED}
        moving = {row for row, one in replaced.items() if self._label(row) != one.label}
        # Those that come in give way to every name of the originals: a name that is freed would
        # be that of another example, and runs are compared by names.
        stays = moving if self.folders else set()
        names = Names(own)
        rows: list[tuple[str, int]] = []
        became: dict[PlannedFault, str] = {}
        for row, name in enumerate(own):
            change = replaced.get(row)
            label = self._label(row) if change is None else change.label
            if row in stays:
                name = names.take(self._in_class(name, label))
            if change is not None and change.kind == CORRUPT:
                name = self._altered(change, name, names)
            else:
                self._copied(_path(reader, row), name)
            if change is not None:
                became[change] = name
            rows.append((name, label))
            tell(1)
        for change in changes:
            if change.kind in ADDED:
                became[change] = self._added(change, own, names)
                rows.append((became[change], change.label))
                tell(1)
        ids, labels = self.files.examples.ids, self.files.reader.labels
        return rows, [one.plant(printable(became[one]), ids, labels) for one in changes]

    def _label(self, row: int) -> int:
        return int(self.files.reader.labels[row])

    def _in_class(self, name: str, label: int) -> str:
        """The same path in the folder of another class."""
        known = self.folders
        return f"{[*known, THRESHOLD_CLASS][label]}/{name.partition('/')[2]}"

    def _added(self, change: PlannedFault, own: Sequence[str], names: Names) -> str:
        source = self.files.other if change.how == OTHER else self.files.reader
        assert source is not None, "there are no other data"
        path = PurePosixPath(own[change.row] if change.how != OTHER else source.paths[change.row])
        if change.kind == DUPLICATE:
            wanted = str(path.with_name(f"{path.stem}-duplicate{path.suffix}"))
        else:
            name = f"outside-{change.number}{path.suffix}"
            wanted = f"{self.folders[change.label]}/{name}" if self.folders else name
        name = names.take(wanted)
        if change.how != OTHER:
            return self._altered(change, name, names)
        self._copied(_path(source, change.row), name)
        return name

    def _altered(self, change: PlannedFault, name: str, names: Names) -> str:
        """Writes an altered file under the name, or the same with `.png` where it has to be."""
        image = pillow_images.open_with_format(_path(self.files.reader, change.row))
        made = pillow_images.altered_picture(image, change.how, self.values, change.rng(self.seed))
        content, ending = pillow_images.encode_like_original(made)
        if ending is not None and PurePosixPath(name).suffix.lower() != ending:
            name = names.take(str(PurePosixPath(name).with_suffix(ending)))
        self._place(name).write_bytes(content)
        return name

    def _copied(self, source: Path, name: str) -> None:
        target = self._place(name)
        real = source.resolve()  # of a link, the link would be linked
        if self.link:
            try:
                os.link(real, target)
                return
            except FileExistsError:
                raise
            except OSError:  # another disk, or one that has no links
                pass
        shutil.copy2(real, target)

    def _place(self, name: str) -> Path:
        path = self.folder / name
        inside = Path(os.path.normpath(path)).is_relative_to(self.folder)
        if not inside or path.exists():  # nothing that is there may be written over, ever
            raise DataError(f"{name} would be written over another file. Nothing was planted.")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _path(files: ImageReader, row: int) -> Path:
    return files.root / files.paths[row]


def _size(files: ImageReader, row: int) -> int:
    """The bytes of a file.

    Raises:
        DataError: it is none, such as a link to nowhere or a FIFO.
    """
    size = file_size(_path(files, row))
    if size is None:
        raise DataError(
            f"{printable(str(_path(files, row)))} cannot be copied: it is no file that may be "
            f"read. Take it out of the data, and plant again."
        )
    return size


def _values(files: ImageReader) -> Values:
    """From black to white, and the mean and deviation of some files."""
    rows = np.unique(np.linspace(0, len(files.paths) - 1, _SAMPLED).astype(int)).tolist()
    paths = [_path(files, row) for row in rows]
    seen = [
        pillow_images.bytes_of(pillow_images.open_with_format(p))
        for p in paths
        if pillow_images.can_be_altered(p)
    ]
    levels = np.concatenate(seen) if seen else np.array([127.5])
    return Values.of(0, 255, levels.mean(), levels.std())
