"""Planting into image files: a folder with one sub-folder per class, or a list of files."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from vog.data.examples import Examples, ImageFiles
from vog.errors import DataError, ResultError
from vog.files.file_names import printable
from vog.files.writing import write_text
from vog.pixels import file_size
from vog.planting import pillow_images
from vog.planting.assignment import ADDED, PlannedFault, PlantingTarget
from vog.planting.corruptions import OTHER, Values
from vog.planting.unique_names import THRESHOLD_CLASS, UniqueNames, below_one_folder
from vog.result.planting_record import CORRUPT, DUPLICATE, Plant
from vog.wording import option

DATA_FOLDER, LIST_FILE = "data", "data.txt"
_SAMPLE = 32  # images that the statistics of the values come from


@dataclass(frozen=True)
class FilePlanter:
    """Plants into copies of image files.

    Attributes:
        examples: the data.
        files: their files.
        outside: data that examples of no class are taken from, if any.
        outside_files: the files of these.
    """

    examples: Examples
    files: ImageFiles
    outside: Examples | None
    outside_files: ImageFiles | None

    @property
    def output_name(self) -> str:
        """Return the name of the planted data, to be given to `vog score` as data."""
        return LIST_FILE if self.examples.label_names is None else DATA_FOLDER

    @property
    def target(self) -> PlantingTarget:
        """Return what the choice of faults depends on."""
        labels, names = self.files.labels, self.examples.label_names
        outside = self.outside_files
        return PlantingTarget(
            labels,
            int(labels.max()) + 1 if names is None else len(names),
            is_image=True,
            usable=lambda row: pillow_images.can_be_altered(self.files.path(row)),
            outside_count=None if outside is None else len(outside.paths),
            outside_usable=lambda row: (
                outside is not None and pillow_images.can_be_altered(outside.path(row))
            ),
        )

    def check(self, threshold: bool) -> None:
        """Raise if `threshold` is True and a class folder would sort after `~threshold`.

        Raises:
            DataError: there is such a folder.
        """
        names = self.examples.label_names or ()
        later = [name for name in names if name >= THRESHOLD_CLASS]
        if threshold and later:
            raise DataError(
                f"{option('threshold', True)} adds the class {THRESHOLD_CLASS!r}, which has to be "
                f"the last: folders are numbered in alphabetical order, and {later[0]!r} comes "
                f"after it, so its number would change. Rename that folder, or give a list file."
            )

    def steps(self, faults: Sequence[PlannedFault]) -> int:
        """Return the number of files, which are the progress steps of `write`."""
        return len(self.examples) + sum(fault.kind in ADDED for fault in faults)

    def bytes_needed(self, faults: Sequence[PlannedFault], link: bool) -> int:
        """Return an estimate of the disk space; altered files are assumed to keep their size.

        Raises:
            DataError: something to copy is not a readable file.
        """
        sizes = [_file_bytes(self.files, row) for row in range(len(self.examples))]
        new_files = [fault for fault in faults if fault.kind in (CORRUPT, *ADDED)]
        data_bytes = sum(sizes[fault.row] for fault in new_files if fault.how != OTHER)
        outside_bytes = sum(
            _file_bytes(self.outside_files, fault.row)
            for fault in new_files
            if fault.how == OTHER and self.outside_files is not None
        )
        return data_bytes + outside_bytes + (0 if link else sum(sizes))

    def write(
        self,
        folder: Path,
        faults: Sequence[PlannedFault],
        seed: int,
        link: bool,
        advance: Callable[[int], None],
    ) -> list[Plant]:
        """Write the planted files; return the record.

        Raises:
            ResultError: a file cannot be read or written.
        """
        writer = _FileWriter(self, folder / DATA_FOLDER, seed, link)
        for name in writer.folders:
            (writer.folder / name).mkdir(parents=True)
        writer.folder.mkdir(exist_ok=True)
        try:
            rows, plants = writer.write(faults, advance)
        except OSError as error:
            raise ResultError(
                f"{error.filename or folder} could not be copied or written: "
                f"{error.strerror or error}. Nothing was planted."
            ) from error
        if not self.examples.label_names:
            lines = "".join(f"{printable(name)} {label}\n" for name, label in rows)
            write_text(folder / LIST_FILE, lines)
        return plants


@dataclass(frozen=True)
class _FileWriter:
    """Writes the files of one planting into a folder."""

    planter: FilePlanter
    folder: Path
    seed: int
    link: bool

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The folder of each class; a class without examples keeps its folder and number."""
        names = self.planter.examples.label_names or ()
        as_on_disk = dict(
            zip(
                self.planter.files.labels.tolist(),
                (path.partition("/")[0] for path in self.planter.files.paths),
                strict=True,
            )
        )
        return tuple(as_on_disk.get(label, name) for label, name in enumerate(names))

    @cached_property
    def values(self) -> Values:
        return _pixel_statistics(self.planter.files)

    def write(
        self, faults: Sequence[PlannedFault], advance: Callable[[int], None]
    ) -> tuple[list[tuple[str, int]], list[Plant]]:
        """Write all files; return their names and labels, originals first, and the record."""
        files = self.planter.files
        paths = below_one_folder(files.paths, files.root)
        fault_by_row = {entry.row: entry for entry in faults if entry.kind not in ADDED}
        relabelled = {row for row, entry in fault_by_row.items() if self._label(row) != entry.label}
        # A moved file never takes the name of an original, not even a freed one: runs are
        # compared by names.
        moving_rows = relabelled if self.folders else set()
        names = UniqueNames(paths)
        rows: list[tuple[str, int]] = []
        final_names: dict[PlannedFault, str] = {}
        for row, name in enumerate(paths):
            fault = fault_by_row.get(row)
            label = self._label(row) if fault is None else fault.label
            if row in moving_rows:
                name = names.take(self._name_in_class(name, label))
            if fault is not None and fault.kind == CORRUPT:
                name = self._write_altered(fault, name, names)
            else:
                self._copy_file(files.path(row), name)
            if fault is not None:
                final_names[fault] = name
            rows.append((name, label))
            advance(1)
        for fault in faults:
            if fault.kind in ADDED:
                final_names[fault] = self._write_added(fault, paths, names)
                rows.append((final_names[fault], fault.label))
                advance(1)
        ids, labels = self.planter.examples.ids, self.planter.files.labels
        return rows, [entry.plant(printable(final_names[entry]), ids, labels) for entry in faults]

    def _label(self, row: int) -> int:
        return int(self.planter.files.labels[row])

    def _name_in_class(self, name: str, label: int) -> str:
        """Return the same path in the folder of another class."""
        folders = self.folders
        return f"{[*folders, THRESHOLD_CLASS][label]}/{name.partition('/')[2]}"

    def _write_added(self, fault: PlannedFault, paths: Sequence[str], names: UniqueNames) -> str:
        source = self.planter.outside_files if fault.how == OTHER else self.planter.files
        assert source is not None, "there are no outside data"
        path = PurePosixPath(paths[fault.row] if fault.how != OTHER else source.paths[fault.row])
        if fault.kind == DUPLICATE:
            preferred_name = str(path.with_name(f"{path.stem}-duplicate{path.suffix}"))
        else:
            name = f"outside-{fault.number}{path.suffix}"
            preferred_name = f"{self.folders[fault.label]}/{name}" if self.folders else name
        name = names.take(preferred_name)
        if fault.how != OTHER:
            return self._write_altered(fault, name, names)
        self._copy_file(source.path(fault.row), name)
        return name

    def _write_altered(self, fault: PlannedFault, name: str, names: UniqueNames) -> str:
        """Write an altered file; return its name, which ends in `.png` if the format changed."""
        image = pillow_images.open_with_format(self.planter.files.path(fault.row))
        altered = pillow_images.alter_picture(image, fault.how, self.values, fault.rng(self.seed))
        content, ending = pillow_images.encode_like_original(altered)
        if ending is not None and PurePosixPath(name).suffix.lower() != ending:
            name = names.take(str(PurePosixPath(name).with_suffix(ending)))
        self._new_path(name).write_bytes(content)
        return name

    def _copy_file(self, source: Path, name: str) -> None:
        target = self._new_path(name)
        real_path = source.resolve()  # else `os.link` would link to a symbolic link itself
        if self.link:
            try:
                os.link(real_path, target)
                return
            except FileExistsError:
                raise
            except OSError:  # another disk, or one without hard links
                pass
        shutil.copy2(real_path, target)

    def _new_path(self, name: str) -> Path:
        path = self.folder / name
        inside = Path(os.path.normpath(path)).is_relative_to(self.folder)
        if not inside or path.exists():  # never overwrite a file
            raise DataError(f"{name} would be written over another file. Nothing was planted.")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _file_bytes(files: ImageFiles, row: int) -> int:
    """Return the size of a file in bytes.

    Raises:
        DataError: it is not a regular file, such as a broken link or a FIFO.
    """
    size = file_size(files.path(row))
    if size is None:
        raise DataError(
            f"{printable(str(files.path(row)))} cannot be copied: it is no file that may be "
            f"read. Take it out of the data, and plant again."
        )
    return size


def _pixel_statistics(files: ImageFiles) -> Values:
    """Return the range from black to white, with the mean and deviation of some files."""
    rows = np.unique(np.linspace(0, len(files.paths) - 1, _SAMPLE).astype(int)).tolist()
    paths = [files.path(row) for row in rows]
    pixels = [
        pillow_images.sample_levels(pillow_images.open_with_format(path))
        for path in paths
        if pillow_images.can_be_altered(path)
    ]
    levels = np.concatenate(pixels) if pixels else np.array([127.5])
    return Values.make(0, 255, levels.mean(), levels.std())
