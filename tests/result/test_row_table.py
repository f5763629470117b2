"""`run.top()` and `repr(run)`: what somebody sees first in Python."""

from pathlib import Path

import pandas
import polars
import pyarrow as pa
import pytest

from runs import write_run
from vog.result.row_table import RowTable

TABLE = RowTable(
    pa.table(
        {
            "id": ["a.png", "a long name" * 9, "<b>"],
            "label": pa.array([3, None, 10]),
            "vog@all": [0.5, 12.3456, float("nan")],
        }
    )
)


def test_rows_are_printed_one_a_line() -> None:
    """Numbers stand to the right, and what is too long is cut."""
    assert str(TABLE) == repr(TABLE)
    assert str(TABLE).splitlines() == [
        "id                                        label  vog@all",
        "a.png                                         3      0.5",
        "a long namea long namea long namea long\u2026      -    12.35",
        "<b>                                          10      nan",
    ]


def test_more_rows_than_are_printed_are_counted() -> None:
    table = RowTable(pa.table({"index": list(range(1234))}))
    assert str(table).splitlines()[-2:] == ["   29", "... and 1,204 more rows"]
    assert "<p>... and 1,204 more rows</p>" in table._repr_html_()


def test_a_notebook_shows_text_and_no_markup_of_the_data() -> None:
    shown = TABLE._repr_html_()
    assert "<td>&lt;b&gt;</td>" in shown
    assert shown.count("<tr>") == 4


def test_it_becomes_what_people_work_with() -> None:
    assert TABLE.to_arrow() is TABLE.arrow
    assert pa.table(TABLE).select([0, 1]).equals(TABLE.arrow.select([0, 1]))
    assert list(TABLE.to_pandas()["id"]) == TABLE["id"].to_pylist()
    assert isinstance(TABLE.to_pandas(), pandas.DataFrame)
    assert TABLE.to_polars()["label"].to_list() == [3, None, 10]
    assert isinstance(TABLE.to_polars(), polars.DataFrame)
    assert next(iter(TABLE)) == {"id": "a.png", "label": 3, "vog@all": 0.5}
    assert (len(TABLE), TABLE.num_rows, TABLE.column_names[1]) == (3, 3, "label")
    with pytest.raises(AttributeError):
        _ = TABLE.no_such_thing


def test_a_run_is_one_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": [1.0, 2.0]}, [0, 1])
    assert repr(run).endswith("run': 2 examples, 0 checkpoints>")
    assert str(run.top(1)).splitlines()[0].split()[:2] == ["index", "id"]
