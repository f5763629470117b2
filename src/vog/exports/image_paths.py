"""Where the image files of a run are, for tools that open them themselves."""

from dataclasses import dataclass
from pathlib import Path

from vog.errors import ResultError
from vog.result import Run
from vog.result.data_location import data_place, missing_data_places


@dataclass(frozen=True)
class ImagePaths:
    """The image file of every row.

    Attributes:
        folder: what the names are relative to, absolute.
        names: in the order of the rows, with `/` between their parts.
    """

    folder: Path
    names: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        """The same as absolute paths."""
        return [str(self.folder / name) for name in self.names]


def absolute_data_path(run: Run, root: str | Path | None) -> Path | None:
    """Where the data of a run are, as other tools need it; see `vog.result.data_location`."""
    path = data_place(run, root)
    return None if path is None else path.absolute()


def image_files(run: Run, root: str | Path | None, tool: str) -> ImagePaths:
    """The image files of a run; they are not opened.

    Args:
        run: of image files, or of gradients with the images beside them.
        root: where they are now, if they have moved: the folder that the ids are relative to.
        tool: what needs them, for the message.

    Raises:
        ResultError: the data are no files, or none of the files is there.
    """
    folder = absolute_data_path(run, root)
    if folder is None or folder.suffix == ".npz":
        source = run.question.get("where", {}).get("data") or "an object in Python"
        raise ResultError(
            f"{tool} opens image files, and the examples of {run.folder} came from {source}. Write "
            f"each as a file that has its id as name, and give their folder as --root."
        )
    ids = run.table(["index", "id"])
    beside = _gradient_images(folder) if "gradients" in run.question.get("where", {}) else {}
    names = (
        tuple(beside.get(index, f"img_{index:05d}.jpg") for index in ids["index"].to_pylist())
        if beside
        else tuple(ids["id"].to_pylist())
    )
    if not any((folder / name).is_file() for name in names):
        missing_path = missing_data_places(run) if root is None else None
        searched = "" if missing_path is None else f" They were looked for in {missing_path}."
        raise ResultError(
            f"{folder} holds none of the {len(names):,} images of {run.folder}, as {names[0]}."
            f"{searched} Give the folder that the ids are relative to as --root."
        )
    return ImagePaths(folder, names)


def _gradient_images(folder: Path) -> dict[int, str]:
    """By row, the image that lies beside stored gradients; those of the last step win."""
    names: dict[int, str] = {}
    for path in sorted(folder.glob("weight_*/img_*.*")):
        number = path.stem.removeprefix("img_")
        if number.isdecimal():
            names[int(number)] = path.relative_to(folder).as_posix()
    return names
