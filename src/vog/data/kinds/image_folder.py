"""An image folder: one sub-folder a class."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.data import folders
from vog.data.examples import Examples
from vog.data.kinds.image_files import ImageFileSource
from vog.data.paths import existing_path, names_folder
from vog.data.protocol import OpenOptions
from vog.data.transforms import image_transform


@dataclass(frozen=True)
class ImageFolder(ImageFileSource):
    """A folder of image files, whose ids are paths in it."""

    kind = "image folder"

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
