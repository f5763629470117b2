"""The data of a run where they are now, and the source that opens them."""

from dataclasses import dataclass
from pathlib import Path

from vog.data import kinds
from vog.data.kinds.stored_gradients import StoredGradients
from vog.data.protocol import Source
from vog.result import Run
from vog.result.data_location import current_location, data_option, searched_places
from vog.result.question import WHERE


@dataclass(frozen=True)
class RunData:
    """What holds the examples of a run.

    Attributes:
        source: the kind of the data.
        place: a file or a folder, which may be gone.
    """

    source: Source
    place: Path


def find_run_data(run: Run, root: str | Path | None = None) -> RunData | None:
    """Return what holds the examples of a run; None if it is unknown, or Python code.

    Args:
        run: the run, whose question says where its data were.
        root: where the data are now, if they have moved.
    """
    option = _option_of_place(run)
    name = root or (None if option is None else current_location(run, option))
    if name is None:
        return None
    may_be_code = option == "data" and not root
    source = kinds.source_of(name) if may_be_code else kinds.source_at(name)
    place = source.place(Path(name))
    if place is None:
        return None
    has_gradients = "gradients" in run.question.get(WHERE, {}) and source.form == "files"
    return RunData(StoredGradients() if has_gradients else source, place)


def _option_of_place(run: Run) -> str | None:
    """Return the option that says where the data are; the root of a table does not."""
    option, data = data_option(run), current_location(run, "data")
    if option != "root" or data is None:
        return option
    source = kinds.source_of(data)
    return "data" if source.by_number and source.place(data) is not None else option


def data_place(run: Run, root: str | Path | None = None) -> Path | None:
    """Return the place of the data of a run; see `find_run_data`."""
    run_data = find_run_data(run, root)
    return None if run_data is None else run_data.place


def missing_data_places(run: Run) -> str | None:
    """Return all searched places if the data of a run are not found, as text; else None."""
    option, run_data = _option_of_place(run), find_run_data(run)
    if option is None or run_data is None or run_data.source.is_there(run_data.place):
        return None
    return searched_places(run, option)


def ids_find_examples(run: Run) -> bool:
    """Return whether ids find the stored examples of a run; otherwise row numbers do."""
    run_data = find_run_data(run)
    return run_data is not None and not run_data.source.by_number
