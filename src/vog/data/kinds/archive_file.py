"""Archives of images: zip or tar of folders of classes, or shards of webdataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from vog.data import images
from vog.data.archives.archive_members import Members, members_of
from vog.data.archives.archive_rows import ArchiveRows, find_rows
from vog.data.examples import Examples, UnreadableError, digest_of
from vog.data.file_patterns import files_of_pattern, is_pattern
from vog.data.images import Transform
from vog.data.kinds.table_file import is_there
from vog.data.paths import existing_path, is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.tables.row_inputs import decoded_image
from vog.data.transforms import image_transform
from vog.errors import DataError, ResultError
from vog.wording import option

_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class ArchiveFile(Source):
    """One or more archives, listed when they are opened and read by the place of each file."""

    kind = "archive"

    def opens(self, data: Any) -> bool:
        """Return whether the name ends as those of archives do."""
        return is_name(data) and str(data).lower().endswith(_SUFFIXES)

    def place(self, data: Any) -> Path | None:
        """Return the path of the archive, or the pattern of several."""
        return Path(data)

    def is_there(self, place: Path) -> bool:
        """Return whether the archive is there, or one that the pattern matches."""
        return is_there(place)

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the images in the archives."""
        members, rows = _open(data)
        reader = ArchiveReader(
            members, rows.members, rows.labels, image_transform(options.transform)
        )
        digest = digest_of(*rows.ids, rows.labels, *members.stamps)
        return Examples(rows.ids, reader, digest, rows.labels, rows.names, rows.classes)

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what decodes the image of a row."""
        try:
            members, rows = _open(data)
        except DataError as error:
            raise ResultError(str(error)) from error

        def read(index: int, name: str) -> Any:
            if index >= len(rows.ids) or rows.ids[index] != name:
                raise ResultError(
                    f"{data} does not have {name!r} as row {index}, as it had when it was scored. "
                    f"Give the archive that was scored as {option('root')}."
                )
            try:
                return decoded_image(members.read(int(rows.members[index])), Path())
            except UnreadableError as error:
                raise ResultError(f"the image of {name!r} cannot be read: {error}.") from error

        return read


@dataclass(frozen=True)
class ArchiveReader:
    """Reads an example from an image in an archive."""

    members: Members
    rows: Int[np.ndarray, "n"]
    labels: Int[np.ndarray, "n"]
    transform: Transform

    def stored(self, index: int) -> Any:
        """Return the image of a row without a transform.

        Raises:
            UnreadableError: the archive or the image is damaged.
        """
        return decoded_image(self.members.read(int(self.rows[index])), Path())

    def __call__(self, index: int) -> tuple[Any, int]:
        """Return the transformed image of a row and its label.

        Raises:
            UnreadableError: as for `stored`, or it is unknown which of its values is white.
        """
        image, label = self.stored(index), int(self.labels[index])
        if self.transform not in (images.imagenet, images.tf1, images.unchanged):
            return self.transform(image), label
        try:
            return self.transform(image), label
        except ValueError as error:
            raise UnreadableError(str(error)) from error


def _open(data: str | Path) -> tuple[Members, ArchiveRows]:
    paths = files_of_pattern(data) if is_pattern(data) else (existing_path(data),)
    members = members_of(paths)
    return members, find_rows(members)
