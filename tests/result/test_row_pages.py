"""Pages of a run: whatever DuckDB answers is what sorting and counting all rows would give."""

import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import EASIER, plain_rows, write_rows
from vog.errors import ResultError
from vog.result import Run, open_run
from vog.result.derived_columns import DERIVED
from vog.result.row_lookup import ClassSummary, RowLookup, ScorePlace
from vog.result.row_pages import RowFilter, RowOrder, RowPages
from vog.result.rows import RowBlock
from vog.result.sql import Row, RunTables

NAN, INF = float("nan"), float("inf")
NAMES = ["cat", 'it\'s "a" 100% <b>dog</b>', "cat"]
EVERYTHING = RowFilter()
Case = tuple[list[list[Any]], dict[int, str], list[int], str]
NUMBERS = st.one_of(
    st.integers(-2, 2).map(float), st.floats(width=32), st.sampled_from([NAN, INF, -INF])
)
ODD = st.one_of(
    st.sampled_from(
        ["it's", '"', "%", "_", "\\", "é", "A", "a\nb", "<script>", "'; DROP VIEW rows"]
    ),
    st.text(max_size=3),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """The columns of some rows, where their parts begin, and what was differentiated."""
    count = draw(st.integers(1, 40))
    classes = st.sampled_from(draw(st.lists(st.integers(-1, 4), min_size=1, max_size=4)))
    share = st.one_of(st.just(NAN), st.floats(0, 1, width=32))
    elements = [ODD, classes, st.integers(-1, 4), classes, share, NUMBERS, NUMBERS, NUMBERS]
    columns = [draw(st.lists(one, min_size=count, max_size=count)) for one in elements]
    problems = draw(st.dictionaries(st.integers(0, count - 1), ODD, max_size=9))
    cuts = draw(st.sets(st.integers(1, count - 1), max_size=3)) if count > 1 else ()
    return columns, problems, sorted(cuts), draw(st.sampled_from(["label", "predicted"]))


@contextmanager
def browsing(case: Case) -> Iterator[RowPages]:
    """The rows on disk, and a browser of them."""
    (odd, labels, late, last, share, *scores), problems, cuts, target = case
    rows = RowBlock(
        range(len(odd)),
        [f"{text}{i}" for i, text in enumerate(odd)],
        np.array(labels),
        np.arange(len(odd)),
        {"late": np.array(late), "all": np.array(last)},
        {"all": np.array(share)},
        dict(zip(("vog@late", "vog@all", "aum@all"), map(np.array, scores), strict=True)),
        problems,
    )
    with tempfile.TemporaryDirectory() as folder:
        yield RowPages(
            RunTables(
                write_rows(
                    Path(folder) / "run", rows, EASIER, NAMES, part_starts=cuts, target=target
                )
            )
        )


def columns_of(run: Run) -> list[str]:
    """Whatever can be sorted by."""
    return [*run.columns, *(f"{name}:{how}" for name in run.score_columns for how in DERIVED)]


def everything(run: Run) -> list[Row]:
    """Every row with every column, stored and derived, as `table` has them."""
    return run.table(columns_of(run)).to_pylist()


def seldom(some: st.SearchStrategy[Any], otherwise: object = None) -> st.SearchStrategy[Any]:
    """One of a filter's conditions: with all of them at once no row would be left."""
    return st.sampled_from([False] * 5 + [True]).flatmap(
        lambda chosen: some if chosen else st.just(otherwise)
    )


def a_view(data: st.DataObject, rows: list[Row]) -> tuple[RowOrder, RowFilter]:
    """An order and a few conditions, whose bounds are often values that some row has."""
    by = data.draw(st.sampled_from(list(rows[0])))
    ids = [row["id"] for row in rows]
    values = [float(row[by]) for row in rows if isinstance(row[by], int | float)]
    bounds = st.one_of(st.sampled_from(values or [0.0]), NUMBERS.filter(lambda x: x == x))
    bound = st.one_of(st.none(), st.none(), bounds) if values else st.none()
    several = st.lists(st.sampled_from([*ids, "of none", "%"]), max_size=20).map(tuple)
    where = {
        "label": seldom(st.integers(0, 5)),
        "predicted": seldom(st.integers(0, 5)),
        "judged": seldom(st.sampled_from(["right", "wrong"])),
        "low": bound,
        "high": bound,
        "text": seldom(st.one_of(ODD, st.sampled_from(ids)), ""),
        "ids": seldom(several),
        "without": seldom(several, ()),
        "problem": seldom(st.just(True), False),
    }
    return RowOrder(by, data.draw(st.booleans())), RowFilter(
        **data.draw(st.fixed_dictionaries(where))
    )


def fits(row: Row, by: str, where: RowFilter) -> bool:
    """Whether a filter leaves a row, one condition after the other."""
    value, predicted = row[by], row[prediction(by)]
    judged = None not in (row["label"], predicted)
    verdict = "right" if row["label"] == predicted else "wrong"
    return all(
        [
            where.label is None or row["label"] == where.label,
            where.predicted is None or predicted == where.predicted,
            where.judged is None or (judged and verdict == where.judged),
            where.low is None or (value is not None and value >= where.low),
            where.high is None or (value is not None and value <= where.high),
            where.text in row["id"],
            where.ids is None or row["id"] in where.ids,
            row["id"] not in where.without,
            not where.problem or row["problem"] is not None,
        ]
    )


def prediction(by: str) -> str:
    return "prediction@late" if "@late" in by else "prediction@all"


def in_order(rows: list[Row], order: RowOrder, where: RowFilter) -> list[int]:
    """Every row of a view, by sorting all of them: values, then index, those without one last."""
    left = [i for i, row in enumerate(rows) if fits(row, order.by, where)]
    known = [i for i in left if rows[i][order.by] is not None]
    known.sort(key=lambda i: rows[i][order.by], reverse=order.descending)  # equal ones stay
    return known + [i for i in left if rows[i][order.by] is None]


@pytest.mark.slow
@settings(max_examples=20)
@given(cases(), st.data())
def test_pages_are_what_sorting_all_rows_gives(case: Case, data: st.DataObject) -> None:
    """All pages together are every row of the view once, with the values that `table` has."""
    with browsing(case) as browser:
        rows = everything(browser.source.run)
        for _ in range(4):
            order, where = a_view(data, rows)
            also = data.draw(st.lists(st.sampled_from(list(rows[0])), max_size=3))
            expected = in_order(rows, order, where)
            count = data.draw(st.integers(max(1, len(expected) // 3), 50))
            pages = [
                browser.page(order, where, start, count, also)
                for start in range(0, len(expected) + count, count)
            ]
            assert {page.total for page in pages} == {len(expected)}
            assert all(len(page.rows) == count for page in pages[:-2])
            shown = [row for page in pages for row in page.rows]
            assert [row["index"] for row in shown] == expected
            for row, index in zip(shown, expected, strict=True):
                names = {"index", "id", "label", "problem", order.by, *also}
                truth = {name: pytest.approx(rows[index][name]) for name in names}
                assert row == truth | {"prediction": rows[index][prediction(order.by)]}


@pytest.mark.slow
@settings(max_examples=20)
@given(cases(), st.data())
def test_neighbours_are_those_of_the_whole_order(case: Case, data: st.DataObject) -> None:
    """The nearest first, on both sides, and also of a row that the filter leaves out."""
    with browsing(case) as browser:
        rows = everything(browser.source.run)
        for _ in range(6):
            order, where = a_view(data, rows)
            count = data.draw(st.integers(1, 5))
            whole, left = in_order(rows, order, EVERYTHING), in_order(rows, order, where)
            index = data.draw(st.sampled_from(whole))
            at = whole.index(index)
            before = [one for one in reversed(whole[:at]) if one in left]
            after = [one for one in whole[at + 1 :] if one in left]
            found = browser.neighbours(index, order, where, count)
            assert found == (tuple(before[:count]), tuple(after[:count]))


@pytest.mark.slow
@settings(max_examples=20)
@given(cases())
def test_places_are_ranks_and_hardness(case: Case) -> None:
    with browsing(case) as browser:
        run = browser.source.run
        hardness = {name: run.hardness(name) for name in run.score_columns}
        for index, row in enumerate(everything(run)[:15]):
            stored = example(browser, index)
            assert stored == {name: row[name] for name in run.columns}
            for name, place in look(browser).places(stored).items():
                hard = None if row[name] is None else hardness[name][index]
                assert (place.value, place.rank) == (row[name], pytest.approx(row[f"{name}:rank"]))
                assert place.hardness == pytest.approx(hard)
        assert look(browser).example(run.rows) is None


@pytest.mark.slow
@settings(max_examples=20)
@given(cases())
def test_classes_and_ids_are_counted_row_by_row(case: Case) -> None:
    with browsing(case) as browser:
        rows = browser.source.run.table().to_pylist()
        labels = sorted({row["label"] for row in rows} - {None})
        assert look(browser).labels() == labels
        for score in browser.source.run.score_columns:
            found = look(browser).classes(score)
            assert [one.label for one in found] == labels
            for one in found:
                mine = [row for row in rows if row["label"] == one.label]
                predicted = [row["prediction@all"] for row in mine]
                judged = [one.label != other for other in predicted if other is not None]
                finite = [row[score] for row in mine if row[score] not in (None, INF, -INF)]
                assert one.rows == len(mine)
                assert one.error == pytest.approx(np.mean(judged) if judged else None)
                assert (one.mean is None) == (not finite)
                if finite:  # the order of a sum, and so its last digits, is DuckDB's
                    off = 1e-9 * max(map(abs, finite))
                    assert one.mean == pytest.approx(np.mean(finite), abs=off)
        assert ids_and_labels(browser) == [(row["id"], row["label"]) for row in rows]
        numbers = {row["id"]: row["index"] for row in rows}
        assert look(browser).indices_of([*numbers, "of none"]) == numbers
        assert [look(browser).index_of(one) for one in numbers] == list(numbers.values())
        assert (
            look(browser).index_of("of none"),
            look(browser).indices_of([]),
        ) == (None, {})


def look(browser: RowPages) -> RowLookup:
    """At single rows of the same run."""
    return RowLookup(browser.source)


def example(browser: RowPages, index: int) -> Row:
    found = look(browser).example(index)
    assert found is not None
    return found


def ids_and_labels(browser: RowPages) -> list[tuple[str, int | None]]:
    return list(itertools.chain.from_iterable(look(browser).ids_and_labels()))


def indices(browser: RowPages, by: str, descending: bool, **where: Any) -> list[int]:
    page = browser.page(RowOrder(by, descending), RowFilter(**where))
    assert page.total == len(page.rows)
    return [row["index"] for row in page.rows]


def test_a_worked_run(run: Run) -> None:
    """Cats have VoG 3, 1, 2; magpies 9, none, 5. Every second row is predicted a magpie."""
    browser = RowPages(RunTables(run))
    assert indices(browser, "vog@all", True) == [3, 5, 0, 2, 1, 4]
    assert indices(browser, "vog@all", False) == [1, 2, 0, 5, 3, 4], "what is missing stays last"
    assert indices(browser, "vog@all:class", True) == [0, 3, 2, 5, 1, 4]
    assert browser.neighbours(0, RowOrder("vog@all", True), EVERYTHING, 2) == ((5, 3), (2, 1))
    assert browser.neighbours(4, RowOrder("vog@all", True), EVERYTHING, 2) == ((1, 2), ())
    assert browser.neighbours(6, RowOrder("vog@all", True), EVERYTHING) == ((), ())
    assert indices(browser, "label", True) == [3, 4, 5, 0, 1, 2], "equal ones by their index"
    assert browser.neighbours(5, RowOrder("label", True), EVERYTHING) == ((4, 3), (0, 1, 2))
    assert look(browser).classes("vog@all") == [
        ClassSummary(0, 3, 1 / 3, 2.0),
        ClassSummary(1, 3, 0.0, 7.0),
    ]
    assert look(browser).classes("forgetting@all")[1].mean == 5, (
        "infinity is not the mean of its class"
    )
    assert look(browser).places(example(browser, 5)) == {
        "vog@all": ScorePlace(5.0, 0.75, 0.75),
        "aum@all": ScorePlace(-5.0, 0.25, 0.75),
        "forgetting@all": ScorePlace(5.0, 0.75, 0.75),
    }
    rows = browser.rows([3, 99, 0], "all", ["label_name", "vog@all:rank"])
    assert [(one["index"], one["label_name"], one["vog@all:rank"]) for one in rows] == [
        (3, "magpie", 1),
        (0, "cat", 0.5),
    ]


def test_a_run_that_is_not_finished(run: Run) -> None:
    """Rows 2 to 4 are missing: they are no row, and not the next one either."""
    run.part_files[1].unlink()
    browser = RowPages(RunTables(open_run(run.folder)))
    assert indices(browser, "vog@all", True) == [5, 0, 1]
    assert look(browser).example(2) is None
    assert browser.neighbours(2, RowOrder("vog@all", True), EVERYTHING) == ((), ())
    assert browser.rows([2, 5, 4], "all", ["id"])[0]["index"] == 5


def test_filters_of_a_worked_run(run: Run) -> None:
    browser = RowPages(RunTables(run))
    assert indices(browser, "index", False, label=1) == [3, 4, 5]
    assert indices(browser, "index", False, predicted=1) == [1, 3, 5]
    assert indices(browser, "index", False, judged="right") == [0, 2, 3, 5]
    assert indices(browser, "index", False, judged="wrong") == [1], "row 4 has no prediction"
    assert indices(browser, "index", False, text="G 3>") == []
    assert indices(browser, "index", False, text="g 3>") == [3]
    assert indices(browser, "index", False, text="%") == [], "no wildcard"
    assert indices(browser, "index", False, ids=("<img 5>.jpg", "<img 0>.jpg", "x")) == [0, 5]
    assert indices(browser, "index", False, ids=()) == [], "there are no marks yet"
    assert indices(browser, "index", False, without=("<img 5>.jpg", "x")) == [0, 1, 2, 3, 4]
    assert indices(browser, "index", False, problem=True) == [4]
    assert indices(browser, "index", False, label=0, judged="right") == [0, 2], "both hold"


def test_both_bounds_belong_to_a_range(run: Run) -> None:
    """Ranks are 0.5, 0, 0.25, 1, none, 0.75; z of cats sqrt(1.5), -sqrt(1.5), 0."""
    browser = RowPages(RunTables(run))
    assert indices(browser, "vog@all", False, low=2.0, high=5.0) == [2, 0, 5]
    assert indices(browser, "vog@all:rank", False, low=0.25, high=0.75) == [2, 0, 5]
    assert indices(browser, "vog@all:rank", False, low=0.26) == [0, 5, 3]
    assert indices(browser, "vog@all:rank", False, high=0.74) == [1, 2, 0]
    assert indices(browser, "vog@all:rank", False, low=0.6, high=0.7) == [], "between two ranks"
    assert indices(browser, "vog@all:rank", False, high=-0.1) == []
    assert indices(browser, "vog@all:rank", False, low=0.0) == [1, 2, 0, 5, 3], "4 has no rank"
    assert indices(browser, "vog@all:class", False, low=0.0, high=1.0) == [2, 3]
    assert indices(browser, "forgetting@all", False, low=INF) == [3]
    assert indices(browser, "prediction@all", False, low=1.0) == [1, 3, 5]


@pytest.mark.parametrize("by", ["id", "label_name", "problem"])
def test_a_range_of_text_is_refused(run: Run, by: str) -> None:
    browser = RowPages(RunTables(run))
    for where in (RowFilter(low=1.0), RowFilter(high=1.0)):
        with pytest.raises(ResultError, match=f"{by!r} is text, so it has no range"):
            browser.page(RowOrder(by, False), where)
        with pytest.raises(ResultError, match=f"{by!r} is text, so it has no range"):
            browser.neighbours(0, RowOrder(by, False), where)


def test_columns_that_are_not_there(run: Run) -> None:
    browser = RowPages(RunTables(run))
    with pytest.raises(ResultError, match="no column 'vog@lat'. Did you mean 'vog@all'"):
        browser.page(RowOrder("vog@lat", True), EVERYTHING)
    with pytest.raises(ResultError, match="only scores may end in :class, :robust, :rank"):
        browser.page(RowOrder("vog@all", True), EVERYTHING, extra=["label:class"])
    with pytest.raises(ResultError, match="no column '1; DROP VIEW rows'"):
        browser.neighbours(0, RowOrder("1; DROP VIEW rows", True), EVERYTHING)
    for name in ("vog@lat", "label", "vog@all:class"):
        with pytest.raises(ResultError, match=f"{name!r} is no score.*Known: vog@all"):
            look(browser).classes(name)


def test_classes_are_those_that_were_differentiated(tmp_path: Path) -> None:
    """None, none, 1, 1 are predicted, whatever the labels: 1, 3 and 5, 9 become -1, 1 and -1, 1.

    What is not known is a class, too.
    """
    rows = replace(
        plain_rows({"vog@all": [1, 3, 5, 9], "vog@late": [1, 3, 5, 9]}),
        labels=np.array([2, 0, 0, -1]),
        predictions={"late": np.zeros(4, int), "all": np.array([-1, -1, 1, 1])},
    )
    browser = RowPages(
        RunTables(
            write_rows(tmp_path / "run", rows, EASIER, NAMES, part_starts=[1], target="predicted")
        )
    )
    for how, score in itertools.product(("class", "robust"), ("vog@all", "vog@late")):
        page = browser.page(RowOrder(f"{score}:{how}", False), EVERYTHING)
        scale = 1 if how == "class" else 1.4826
        values = {one["index"]: one[f"{score}:{how}"] * scale for one in page.rows}
        assert values == pytest.approx({0: -1, 1: 1, 2: -1, 3: 1})
    assert look(browser).classes("vog@all") == [
        ClassSummary(0, 2, 1.0, 4.0),
        ClassSummary(2, 1, None, 1.0),
    ]


def test_a_class_without_values_keeps_its_rows(tmp_path: Path) -> None:
    """There is nothing to compare them with, and nothing that would be compared."""
    scores = {"vog@all": [1, 3, NAN, NAN]}
    rows = replace(plain_rows(scores), labels=np.array([0, 0, 7, -1]))
    browser = RowPages(RunTables(write_rows(tmp_path / "run", rows, EASIER, NAMES)))
    for how in ("class", "robust"):
        assert indices(browser, f"vog@all:{how}", True) == [1, 0, 2, 3]
        assert browser.rows([2, 3], "all", [f"vog@all:{how}"])[1][f"vog@all:{how}"] is None
        assert browser.neighbours(2, RowOrder(f"vog@all:{how}", True), EVERYTHING) == ((0, 1), (3,))


def test_the_stage_of_a_column(tmp_path: Path) -> None:
    """Predictions and verdicts are those of the stage that is looked at."""
    predictions = {"late": np.array([1, 0]), "all": np.zeros(2, int)}
    rows = replace(plain_rows({"vog@late": [1, 2], "vog@all": [1, 2]}), predictions=predictions)
    browser = RowPages(RunTables(write_rows(tmp_path / "run", rows, EASIER, NAMES)))
    stages = {"vog@late": "late", "vog@late:rank": "late", "prediction@late": "late"}
    stages |= {"vog@all:class": "all", "label": "all", "id": "all", "@late": "all", "x@y": "all"}
    assert {name: browser.stage(name) for name in stages} == stages
    assert indices(browser, "vog@late", False, judged="wrong") == [0]
    assert indices(browser, "vog@all", False, judged="wrong") == []
    assert indices(browser, "vog@late", False, predicted=1) == [0]
    page = browser.page(RowOrder("vog@late", False), EVERYTHING)
    assert [row["prediction"] for row in page.rows] == [1, 0]


def test_nothing_from_outside_is_part_of_a_query(tmp_path: Path) -> None:
    """Quotes in a column or an id are quotes."""
    odd = ["';--", '"', '" OR "', "a' OR '1'='1", "%"]
    score = "v\"o'g; --@all"
    rows = replace(plain_rows({score: [1, 2, 3, 4, 5]}), ids=odd)
    browser = RowPages(
        RunTables(write_rows(tmp_path / "run", rows, EASIER, NAMES, part_starts=[2]))
    )
    for column in columns_of(browser.source.run):
        assert len(indices(browser, column, False)) == 5
        before, after = browser.neighbours(2, RowOrder(column, False), EVERYTHING, 9)
        assert sorted(before + after) == [0, 1, 3, 4]
    found = browser.page(RowOrder("id", False), EVERYTHING, extra=[score, f"{score}:class"]).rows[0]
    assert (found["id"], found[score]) == ('"', 2)
    assert look(browser).classes(score) == [ClassSummary(0, 5, 0.0, 3.0)]
    for index, id in enumerate(odd):
        assert look(browser).places(example(browser, index))[score].rank == index / 4
        assert look(browser).index_of(id) == index
        assert indices(browser, "index", False, ids=(id,)) == [index]
        assert index not in indices(browser, "index", False, without=(id,))
        assert index in indices(browser, "index", False, text=id)


@pytest.mark.parametrize("name", ["run[1]", "r*", "run?", "{run1}", "it's", "label=7"])
def test_a_folder_whose_name_is_a_pattern(tmp_path: Path, name: str) -> None:
    """The rows are those of the run itself, not those of folders that the pattern fits."""
    write_rows(tmp_path / "run1", plain_rows({"vog@all": [7, 7, 7]}), EASIER, NAMES)
    browser = RowPages(
        RunTables(write_rows(tmp_path / name, plain_rows({"vog@all": [1, 2]}), EASIER, NAMES))
    )
    page = browser.page(RowOrder("index", False), EVERYTHING, extra=["vog@all"])
    assert [row["vog@all"] for row in page.rows] == [1, 2]
    assert list(look(browser).example(0) or ()) == browser.source.run.columns
    assert ids_and_labels(browser) == [("e0", 0), ("e1", 0)]


def test_a_rank_that_is_asked_for_twice(run: Run) -> None:
    """Sorted by and shown beside itself, it is no rank of a rank."""
    page = RowPages(RunTables(run)).page(
        RowOrder("vog@all:rank", True), EVERYTHING, extra=["vog@all:rank"]
    )
    assert [row["vog@all:rank"] for row in page.rows] == [1, 0.75, 0.5, 0.25, 0, None]


def test_ranks_of_more_scores_than_are_kept_in_memory(tmp_path: Path) -> None:
    scores = {f"s{i}@all": np.roll([1.0, 2, 3], i).tolist() for i in range(10)}
    browser = RowPages(RunTables(write_rows(tmp_path / "run", plain_rows(scores), EASIER, NAMES)))
    for name in [*scores, *scores]:
        (first, *_) = browser.rows([0], "all", [f"{name}:rank"])
        assert first[f"{name}:rank"] == (scores[name][0] - 1) / 2
        assert len(browser.source._sorted_columns) <= 8


def test_more_rows_than_are_fetched_at_once(tmp_path: Path) -> None:
    count = 25_000
    run = write_rows(
        tmp_path / "run",
        plain_rows({"vog@all": np.arange(count)}),
        EASIER,
        NAMES,
        part_starts=[9_000],
    )
    browser = RowPages(RunTables(run))
    assert [id for id, _ in ids_and_labels(browser)] == [f"e{i}" for i in range(count)]
    assert max(map(len, look(browser).ids_and_labels())) < count
    page = browser.page(RowOrder("vog@all", True), EVERYTHING, 5_000, 15_000)
    assert [row["index"] for row in page.rows] == list(range(count - 5_001, count - 20_001, -1))


def test_what_does_not_fit_into_memory_goes_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not into the folder where the viewer was started; too much of it is told."""
    (tmp_path / "started").mkdir()
    monkeypatch.chdir(tmp_path / "started")
    source = RunTables(
        write_rows(tmp_path / "run", plain_rows({"vog@all": np.arange(20.0)}), EASIER, NAMES)
    )
    many = "SELECT i::TEXT || repeat('x', 90) AS id FROM range(2000000) AS t(i)"
    assert source.query(f"SELECT id FROM ({many}) ORDER BY id LIMIT 1 OFFSET 1500000", [])
    assert list(Path().iterdir()) == []
    with pytest.raises(ResultError, match="not enough memory for this many queries"):
        source.query(f"SELECT list(id) FROM ({many})", [])


@pytest.mark.slow
def test_several_threads_ask_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a column compares with is computed once, by the first that asks."""
    computed: list[str] = []
    numbers = RunTables.arrays

    def slow(source: RunTables, sql: str) -> list[np.ndarray]:
        computed.append(sql)
        time.sleep(0.05)
        return numbers(source, sql)

    monkeypatch.setattr(RunTables, "arrays", slow)
    orders = [RowOrder(f"{score}:{how}", True) for score in run.score_columns for how in DERIVED]
    browser, start = RowPages(RunTables(run)), threading.Barrier(4)

    def ask(_: int) -> list[object]:
        start.wait()
        pages = [browser.page(order, RowFilter(low=-9.0)) for order in orders]
        return [pages, look(browser).classes("vog@all"), ids_and_labels(browser)]

    with ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(ask, range(4))
    assert all(other == first for other in others)
    assert len(computed) == len(orders) + 1, "and the classes of all rows"
    assert first == [
        [RowPages(RunTables(run)).page(order, RowFilter(low=-9.0)) for order in orders],
        look(browser).classes("vog@all"),
        ids_and_labels(browser),
    ]


def test_a_bug_of_ours_is_not_blamed_on_the_files(run: Run) -> None:
    with pytest.raises(duckdb.BinderException):
        RunTables(run).query("SELECT nothing FROM rows", [])


def cut(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-20])


def scrambled(part: Path) -> None:
    """Damage in the middle, where the footer says nothing of it."""
    content = bytearray(part.read_bytes())
    content[10 : len(content) // 3] = bytes(b ^ 0x5A for b in content[10 : len(content) // 3])
    part.write_bytes(content)


@pytest.mark.parametrize("damage", [Path.unlink, cut, scrambled])
def test_a_part_that_is_not_what_it_was(run: Run, damage: Callable[[Path], None]) -> None:
    browser = RowPages(RunTables(run))
    first = example(browser, 0)
    damage(run.part_files[1])
    by, said = RowOrder("vog@all:class", True), r"rows of the run cannot be read: .*open it again\."
    questions: list[Callable[[], object]] = [
        lambda: RowPages(RunTables(run)).page(by, EVERYTHING),
        lambda: browser.page(by, EVERYTHING),
        lambda: browser.page(RowOrder("vog@all:rank", True), RowFilter(low=0.5)),
        lambda: browser.neighbours(0, by, EVERYTHING),
        lambda: look(browser).places(first),
        lambda: look(browser).example(3),
        lambda: browser.rows([3], "all", ["id"]),
        lambda: look(browser).classes("vog@all"),
        lambda: ids_and_labels(browser),
    ]
    for ask in questions:
        with pytest.raises(ResultError, match=said):
            ask()
