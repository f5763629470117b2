"""Where the data of a run are, for whoever opens them again."""

from pathlib import Path

from vog.errors import ResultError
from vog.result import question, review
from vog.result.run import Run


def data_place(run: Run, root: str | Path | None = None) -> Path | None:
    """What the ids of a run are relative to, or rows of: a folder or an `.npz`; None if unknown.

    Args:
        run: says where its data were when it was begun.
        root: where they are now, if they have moved.
    """
    where = run.question.get("where", {})
    known = root or where.get("gradients") or where.get("root") or where.get("data")
    if known is None:
        return None
    path = Path(known)
    if known == where.get("data") and ":" in str(known) and not path.exists():  # names a function
        return None
    return folder_of(path)


def folder_of(data: Path) -> Path:
    """What the ids of a folder, an `.npz` or a list file are relative to, or are rows of.

    A path that is not there is a folder if its name has no ending.
    """
    is_folder = data.is_dir() or not (data.suffix or data.is_file())
    return data if is_folder or data.suffix == ".npz" else data.parent


def refuse_to_replace(run: Run, path: Path, data: str | Path | None = None) -> None:
    """Nothing where a file that is written is neither the data of a run nor a part of it.

    Args:
        run: was read.
        path: the file.
        data: where the data are now, if they have moved.

    Raises:
        ResultError: it is.
    """
    written = path.resolve()
    sources = [data, run.question.get("where", {}).get("data")]
    if any(one is not None and Path(one).resolve() == written for one in sources):
        raise ResultError(
            f"{path} is the data that {run.folder} was made of. Give another file as --out."
        )
    own = (question.FILE, review.FILE, *run.part_names)
    if written.parent == run.folder.resolve() and written.name in own:
        raise ResultError(f"{path} is a part of the run. Give another file as --out.")
