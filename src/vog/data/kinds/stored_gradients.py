"""Image files beside stored gradients: `weight_STEP/img_NNNNN.jpg`, found by the row number.

`vog import` reads the gradients themselves, so this source is none of those that are tried in turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vog.data.examples import Examples
from vog.data.kinds.image_files import open_shown, path_inside, reader_by_id
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.errors import DataError, ResultError
from vog.wording import command, option

_SUFFIXES = sorted(Image.registered_extensions(), key=lambda suffix: suffix != ".jpg")


@dataclass(frozen=True)
class StoredGradients(Source):
    """A folder in the layout of the VoG authors, or a folder of images whose ids are paths."""

    kind = "stored gradients"
    form = "files"

    def opens(self, data: Any) -> bool:
        """Return whether the folder has a folder for each checkpoint."""
        return bool(_checkpoint_folders(Path(data)))

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Raise DataError: gradients are imported, and not computed from examples."""
        raise DataError(f"{data} holds stored gradients. Use {command('import')}.")

    def place(self, data: Any) -> Path | None:
        """Return the path of the folder."""
        return Path(data)

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what opens the image of a row; without folders of checkpoints, that of an id."""
        folders = _checkpoint_folders(data)
        if not folders:
            return reader_by_id(data, display)
        return lambda index, _: open_shown(_image_path(folders, index, display.inside), display)

    def file_names(
        self, place: Path, rows: Sequence[int], ids: Sequence[str]
    ) -> Sequence[str] | None:
        """Return the image of each row; of a folder without such images, the ids."""
        names: dict[int, str] = {}
        for path in sorted(place.glob("weight_*/img_*.*")):  # later steps take precedence
            number = path.stem.removeprefix("img_")
            if number.isdecimal():
                names[int(number)] = path.relative_to(place).as_posix()
        return [names.get(row, f"img_{row:05d}.jpg") for row in rows] if names else ids


def _checkpoint_folders(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("weight_*") if path.is_dir()), reverse=True)


def _image_path(folders: Sequence[Path], index: int, inside: bool) -> Path:
    """Return the path of the image of a row in the first of these folders that has it."""
    parent = folders[0].parent
    for folder in folders:
        for suffix in _SUFFIXES:
            path = folder / f"img_{index:05d}{suffix}"
            if path.exists():
                return path_inside(parent, str(path.relative_to(parent)), inside)
    raise ResultError(
        f"{parent} holds no weight_STEP/img_{index:05d}.jpg. Give the folder of the "
        f"images as {option('root')}, if the ids are paths in it."
    )
