"""A list file: lines of `relative/path label`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.data import folders
from vog.data.examples import Examples
from vog.data.kinds.fold_part import open_part_or_whole
from vog.data.kinds.image_files import reader_by_id
from vog.data.paths import existing_path, is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.transforms import image_transform


@dataclass(frozen=True)
class ListFile(Source):
    """A text file that names image files, whose ids are paths relative to a root."""

    kind = "list file"
    form = "files"
    by_number = False
    uses_root = True

    def opens(self, data: Any) -> bool:
        """Return whether the data have a name; this source is tried last."""
        return is_name(data)

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the images that the file names."""
        transform = image_transform(options.transform)
        return open_part_or_whole(
            existing_path(data),
            options,
            lambda path, root: folders.from_list(path, root, transform),
        )

    def place(self, data: Any) -> Path | None:
        """Return the folder of the list, which its paths are relative to without a root."""
        return Path(data).parent

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what opens the file that an id names."""
        return reader_by_id(data, display)

    def file_names(
        self, place: Path, rows: Sequence[int], ids: Sequence[str]
    ) -> Sequence[str] | None:
        """Return the ids, which are paths."""
        return ids
