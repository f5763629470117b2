"""An image folder: one sub-folder a class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.data import folders
from vog.data.examples import Examples
from vog.data.kinds.image_files import reader_by_id
from vog.data.paths import existing_path, names_folder
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.transforms import image_transform


@dataclass(frozen=True)
class ImageFolder(Source):
    """A folder of image files, whose ids are paths in it."""

    kind = "image folder"
    form = "files"
    by_number = False

    def opens(self, data: Any) -> bool:
        """Return whether a folder has the name, or nothing has and the name has no suffix."""
        return names_folder(data)

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the images below the folder."""
        path = existing_path(data)
        return folders.from_folder(path, image_transform(options.transform), options.hidden)

    def place(self, data: Any) -> Path | None:
        """Return the path of the folder."""
        return Path(data)

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what opens the file that an id names."""
        return reader_by_id(data, display)

    def file_names(
        self, place: Path, rows: Sequence[int], ids: Sequence[str]
    ) -> Sequence[str] | None:
        """Return the ids, which are paths."""
        return ids
