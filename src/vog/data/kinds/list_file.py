"""A list file: lines of `relative/path label`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.data import read_list
from vog.data.examples import Examples
from vog.data.kinds.fold_part import open_part_or_whole
from vog.data.kinds.image_files import ImageFileSource
from vog.data.paths import existing_path, is_name
from vog.data.protocol import OpenOptions
from vog.data.transforms import image_transform


@dataclass(frozen=True)
class ListFile(ImageFileSource):
    """A text file that names image files, whose ids are paths relative to a root."""

    kind = "list file"
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
            lambda path, root: read_list.from_list(path, root, transform),
        )

    def place(self, data: Any) -> Path | None:
        """Return the folder of the list, which its paths are relative to without a root."""
        return Path(data).parent
