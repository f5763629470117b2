"""Paths of the image files of a run, for tools that open the files themselves."""

from dataclasses import dataclass
from pathlib import Path

from vog.data.run_data import find_run_data, missing_data_places
from vog.errors import ResultError
from vog.result import Run
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


def image_files(run: Run, root: str | Path | None, tool: str) -> ImagePaths:
    """Return the paths of the image files of a run, without opening them.

    Args:
        run: a run of image files, or of stored gradients with the images beside them.
        root: the folder that the ids are relative to, if the files have moved.
        tool: the name of the tool that opens the files, for messages.

    Raises:
        ResultError: the data are no files, or none of the files exists.
    """
    run_data = find_run_data(run, root)
    ids = run.table(["index", "id"])
    names = None
    if run_data is not None:
        numbers, texts = ids["index"].to_pylist(), ids["id"].to_pylist()
        names = run_data.source.file_names(run_data.place, numbers, texts)
    if run_data is None or names is None:
        source = run.question.get("where", {}).get("data") or "an object in Python"
        raise ResultError(
            f"{tool} opens image files, and the examples of {run.folder} came from {source}. Write "
            f"each as a file named by its id, and give their folder as {option('root')}."
        )
    folder = run_data.place.absolute()
    if not any((folder / name).is_file() for name in names):
        missing_path = missing_data_places(run) if root is None else None
        searched = "" if missing_path is None else f" They were looked for in {missing_path}."
        raise ResultError(
            f"{folder} holds none of the {len(names):,} images of {run.folder}, such as {names[0]}."
            f"{searched} Give the folder that the ids are relative to as {option('root')}."
        )
    return ImagePaths(folder, tuple(names))
