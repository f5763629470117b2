"""`vog analyze`: what it counts, against loops over the rows, and how it says it."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

import vog
import world
from command_line import Cli
from runs import write_run
from vog.analysis.one_run.class_quantiles import class_spread
from vog.analysis.one_run.correlation import spearman
from vog.analysis.one_run.data_map import data_map
from vog.analysis.one_run.score_columns import raw_column
from vog.analysis.one_run.stage_shift import stage_shift
from vog.errors import ResultError
from vog.files.writing import as_json
from vog.result import Run

STAGES = ("early", "middle", "late", "all")


@pytest.mark.slow
def test_errors_against_a_loop(run: Run) -> None:
    found = vog.analyze(run)
    assert tuple(found.errors) == STAGES
    for stage, errors in found.errors.items():
        rows = run.table([f"vog@{stage}:class", "label", f"prediction@{stage}"]).to_pylist()
        rows.sort(key=lambda row: row[f"vog@{stage}:class"])
        wrong = [row["label"] != row[f"prediction@{stage}"] for row in rows]
        assert errors.overall.error == pytest.approx(sum(wrong) / 120)
        assert errors.lowest.error == pytest.approx(sum(wrong[:12]) / 12)
        assert errors.highest.error == pytest.approx(sum(wrong[-12:]) / 12)
        assert [one.examples for one in errors.deciles] == [12] * 10
    assert any(0 < one.overall.error < 1 for one in found.errors.values())


def test_a_worked_case(tmp_path: Path) -> None:
    """Cats 1 and 3 (mean 2, one of two wrong), dogs 4 and 8 (6, both right), owl null.

    Row 4 has no prediction and row 5 no label: neither is judged, but row 4 is an owl.
    """
    run = write_run(
        tmp_path / "run",
        {"vog@all": [1.0, 3.0, 4.0, 8.0, np.nan, 9.0], "vog@late": [1.0, 2.0, 3, 4, 5, 6]},
        [0, 0, 1, 1, 2, -1],
        [0, 1, 1, 1, -1, 0],
    )
    found = vog.analyze(run, "vog")
    classes = {one.label_name: one for one in found.classes}
    assert [one.label_name for one in found.classes] == ["dog", "cat", "owl"]
    assert (classes["cat"].means["all"], classes["cat"].error) == (2, 0.5)
    assert (classes["dog"].means["all"], classes["dog"].error) == (6, 0)
    assert (classes["dog"].label, classes["dog"].examples, classes["owl"].examples) == (1, 2, 1)
    assert np.isnan(classes["owl"].means["all"])
    assert classes["owl"].means["late"] == 5
    assert [one.error for one in found.errors["all"].deciles] == [0, 1, 0, 0]
    assert found.errors["all"].overall.examples == 4
    assert found.agreement["all"]["late"] == pytest.approx(1.0)
    as_read = json.loads(as_json(found.as_dict()))
    assert as_read["classes"][2]["means"] == {"all": None, "late": 5}
    assert as_read["errors"]["all"]["all"]["error"] == 0.25


def test_a_score_whose_low_end_is_hard(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": [1.0, 2.0]}, [0, 1], [0, 1], "easier")
    found = vog.analyze(run, "vog")
    assert not found.higher_is_harder
    assert [one.label for one in found.classes] == [0, 1], "the hardest class first"


def test_one_infinity_is_not_the_mean_of_its_class(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": [np.inf, 2.0, np.inf]}, [0, 0, 1], [0, 0, 1])
    cat, dog = sorted(vog.analyze(run, "vog").classes, key=lambda one: one.label)
    assert cat.means["all"] == 2
    assert np.isnan(dog.means["all"])


def test_rows_that_are_missing_are_told(tmp_path: Path, cli: Cli) -> None:
    write_run(tmp_path / "run", {"vog@all": [1.0, 2.0]}, [0, 1], [0, 1])
    question = tmp_path / "run" / "question.json"
    question.write_text(question.read_text().replace('"examples": 2', '"examples": 5'))
    code, _, err = cli("analyze", str(tmp_path / "run"))
    assert (code, "2 rows; 3 are missing" in err) == (0, True)


@pytest.mark.slow
def test_agreement(run: Run) -> None:
    table = run.table([f"vog@{stage}:class" for stage in STAGES])
    found = vog.analyze(run).agreement
    for i, a in enumerate(STAGES):
        for j, b in enumerate(STAGES):
            expected = spearmanr(table.column(i), table.column(j))[0]
            assert found[a][b] == pytest.approx(expected)


def test_spearman_by_hand() -> None:
    """Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 1.125, variances 1.125 and 1.25."""
    one, other = np.array([0.0, 5.0, 5.0, np.inf]), np.array([-1.0, 0.0, 1.0, 9.0])
    assert spearman(one, other) == pytest.approx(1.125 / (np.sqrt(1.125) * np.sqrt(1.25)))
    with_gap = np.append(one, np.nan), np.append(other, -100.0)
    assert spearman(*with_gap) == spearman(*with_gap[::-1]) == spearman(one, other)
    assert np.isnan(spearman(np.ones(4), other))
    assert np.isnan(spearman(one[:1], other[:1]))


def test_what_cannot_be_analyzed(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="has no score 'vgo'. Did you mean 'vog'"):
        vog.analyze(run, "vgo")
    with pytest.raises(ResultError, match="leave out @late, since every .* Give 'vog:class'"):
        vog.analyze(run, "vog@late:class")
    with pytest.raises(ResultError, match="has no score 'vgo@late'. Did you mean 'vog'"):
        vog.analyze(run, "vgo@late")
    nothing = write_run(tmp_path / "other", {"vog@all": [1.0, 2.0]}, [-1, -1], [0, 0])
    with pytest.raises(ResultError, match="no row with a label, a prediction and a score"):
        vog.analyze(nothing)


def test_a_view_of_a_combined_run_is_ranked_by_like_a_score(tmp_path: Path) -> None:
    """Early, the mean ranks of e0 to e3 are 0, 1/3, 2/3 and 1 in one run and reversed in the other.

    So their means are equal, while those of both other stages fall by a third each.
    """
    up, down = [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]
    runs = [
        write_run(
            tmp_path / name,
            {"vog@early": early, "vog@late": down, "vog@all": down},
            [0, 0, 1, 1],
            [1, 0, 0, 1],
        )
        for name, early in (("one", up), ("two", down))
    ]
    mean = vog.combine(runs, tmp_path / "mean")
    found = vog.analyze(mean, "vog_rank")
    assert (found.score, list(found.errors)) == ("vog_rank", ["early", "late", "all"])
    assert [one.error for one in found.errors["all"].deciles] == [0, 1, 0, 1]
    assert found.agreement["late"]["all"] == 1
    assert np.isnan(found.agreement["early"]["all"]), "all examples are equal"
    assert (
        stage_shift(mean, "vog_z").groups[0].meaning
        == "In the hardest fifth at early and still at late."
    )
    for column in ("vog@late", "vog@late:class", "vog_z@late", "vog_rank@late:rank"):
        assert raw_column(mean, column) == "vog@late"
    with pytest.raises(ResultError, match="leave out @all, since every .* Give 'vog_z'"):
        vog.analyze(mean, "vog_z@all")
    with pytest.raises(ResultError, match="has no score 'vog_z_se'"):
        vog.analyze(mean, "vog_z_se")
    rows = found.class_rows()
    assert [(row["label"], row["vog@all"]) for row in rows] == [(0, 3.5), (1, 1.5)]


@pytest.mark.slow
def test_the_class_of_a_run_by_prediction_is_the_prediction(
    checkpoints: Path, tmp_path: Path
) -> None:
    """Comparing within the label would let it leak into a score that was taken without it."""
    inputs, labels = world.inputs_and_labels(60)
    tables = []
    for name, given in (("a", labels), ("b", (labels + 1) % world.CLASSES)):
        data, out = (inputs, given), tmp_path / name
        run = vog.score(world.build, checkpoints, data, out, target="predicted", quiet=True)
        tables.append(run.table(["vog@late:class", "vog@late:robust"]))
        predicted = run.table(["prediction@all"])["prediction@all"].to_numpy()
    assert tables[0].equals(tables[1])
    values = tables[0]["vog@late:class"].to_numpy()
    for one in np.unique(predicted):
        assert values[predicted == one].mean() == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_the_command(run: Run, cli: Cli) -> None:
    code, out, _ = cli("analyze", str(run.folder), "--out", "a")
    assert code == 0
    found = vog.analyze(run)
    assert f"{found.errors['late'].highest.error:.1%}" in out
    for name in ("analysis.json", "classes.csv", "error_by_decile.png", "error_by_decile.svg"):
        assert f"a/{name}" in out
    assert Path("a/analysis.json").read_text() == as_json(found.as_dict())
    read = list(csv.DictReader(io.StringIO(Path("a/classes.csv").read_text())))
    assert [int(row["label"]) for row in read] == [one.label for one in found.classes]
    with Image.open("a/error_by_decile.png") as image:
        assert image.width > 1500, "four panels"
    assert Path("a/error_by_decile.svg").read_text().count('aria-roledescription="bar"') == 40
    code, out, _ = cli("analyze", str(run.folder), "--format", "json")
    assert (code, out) == (0, as_json(found.as_dict()))
    code, out, _ = cli("analyze", str(run.folder), "--format", "csv", "--score", "aum")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 4 * 11
    assert rows[10]["percentile"] == "0-100"
    low, error, high = (float(rows[10][key]) for key in ("low", "error", "high"))
    assert low < error < high
    code, _, err = cli("analyze", str(run.folder), "--score", "vgo")
    assert (code, "Did you mean" in err) == (1, True)


@pytest.mark.slow
def test_all_of_it_on_a_run_of_the_command(run: Run) -> None:
    """As `vog.score` writes it: stages, ids and types are those of users."""
    assert data_map(run).examples == 120
    found = stage_shift(run)
    assert (found.score, found.first, found.last) == ("vog:class", "early", "late")
    assert sum(one.examples for one in class_spread(run, "vog@late:class")) == 120
    assert vog.analyze(run).agreement["early"]["late"] == pytest.approx(found.spearman)
