"""Paths of the image files of a run, for tools that open the files themselves."""

from dataclasses import dataclass
from pathlib import Path

from vog.errors import ResultError
from vog.result import Run
from vog.result.data_location import data_place, missing_data_places
from vog.wording import option


@dataclass(frozen=True)
class ImagePaths:
    """The image file of every row.

    Attributes:
        folder: the absolute folder that the names are relative to.
        names: the paths of the files, with `/`, in the order of the rows.
    """

    folder: Path
    names: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        """Return the absolute paths."""
        return [str(self.folder / name) for name in self.names]


def absolute_data_path(run: Run, root: str | Path | None) -> Path | None:
    """Return the absolute path of the data of a run; see `vog.result.data_location`."""
    path = data_place(run, root)
    return None if path is None else path.absolute()


def image_files(run: Run, root: str | Path | None, tool: str) -> ImagePaths:
    """Return the paths of the image files of a run, without opening them.

    Args:
        run: a run of image files, or of stored gradients with the images beside them.
        root: the folder that the ids are relative to, if the files have moved.
        tool: the name of the tool that opens the files, for messages.

    Raises:
        ResultError: the data are no files, or none of the files exists.
    """
    folder = absolute_data_path(run, root)
    if folder is None or folder.suffix == ".npz":
        source = run.question.get("where", {}).get("data") or "an object in Python"
        raise ResultError(
            f"{tool} opens image files, and the examples of {run.folder} came from {source}. Write "
            f"each as a file named by its id, and give their folder as {option('root')}."
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
            f"{folder} holds none of the {len(names):,} images of {run.folder}, such as {names[0]}."
            f"{searched} Give the folder that the ids are relative to as {option('root')}."
        )
    return ImagePaths(folder, names)


def _gradient_images(folder: Path) -> dict[int, str]:
    """Return the image beside the stored gradients for each row; later steps take precedence."""
    names: dict[int, str] = {}
    for path in sorted(folder.glob("weight_*/img_*.*")):
        number = path.stem.removeprefix("img_")
        if number.isdecimal():
            names[int(number)] = path.relative_to(folder).as_posix()
    return names
