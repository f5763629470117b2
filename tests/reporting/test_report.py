"""What the report says: each section from the numbers of the run, and nothing from elsewhere."""

import base64
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import vog
import world
from command_line import Cli, score
from runs import EASIER, plain_rows, write_rows
from vog.analysis.one_run.column_pair import compare_columns
from vog.errors import ResultError
from vog.figures.previews import Preview
from vog.reporting import galleries
from vog.reporting.page import report
from vog.reporting.section import Missing, reported_run
from vog.reporting.section_results import find_results
from vog.reporting.sections import SECTIONS
from vog.result import Run
from vog.viewer import application
from vog.viewer.request_guard import Guard

ROWS = 120
NAMES = ("ant", "bee", "cat", "<dog>")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("scored")
    world.save_checkpoints(folder / "c", 7)
    data = world.save_npz(folder / "data.npz", ROWS, NAMES)
    out = folder / "run"
    return vog.score(world.build, folder / "c", str(data), out, scores="all", quiet=True)


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    return report(run, run.folder.parent / "report.html").read_text(encoding="utf-8")


def result_of(run: Run, name: str, by: str | None = None) -> Any:
    """The result of one section, which is not missing."""
    (found,) = [one for one in SECTIONS if one.id == name]
    result = found.find(reported_run(run, by))
    assert not isinstance(result, Missing)
    return result


def section(page: str, name: str) -> str:
    """The text of a section, without its markup."""
    found = re.search(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)
    assert found
    bare = re.sub(r"<script.*?</script>|<[^>]+>", " ", found[1], flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(bare))


def specs(page: str) -> dict[str, Any]:
    """The definitions of the charts by name."""
    found = re.findall(
        r'<script type="application/json" id="(\w+)-spec">(.*?)</script>', page, re.S
    )
    return {name: json.loads(text) for name, text in found}


def gallery(page: str, name: str, number: int = 0) -> list[str]:
    """The ids of a gallery of a section, in its order."""
    found = re.search(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)
    assert found
    lists = re.findall(r'<ol class="tiles[^"]*">(.*?)</ol>', found[1], re.DOTALL)
    return re.findall(r'<p class="id" title="([^"]*)">', lists[number])


@pytest.mark.slow
def test_what_was_scored(run: Run, page: str) -> None:
    said = section(page, "scored")
    for part in (
        "120 examples under 7 checkpoints",
        f"data {run.question['where']['data']}, 120 examples of 4 classes",
        "checkpoints 7, step 100 to 700",
        "early: step 100 to 200; middle: step 300 to 500; late: step 600 to 700",
        "target the logit of the label",
        "precision float32 on cpu",
        f"vog {run.question['vog']}, torch {run.question['torch']}",
        "rows with a problem none",
    ):
        assert part in said, part
    assert run.seconds > 0


def test_the_hardest_and_the_easiest(run: Run, page: str) -> None:
    assert gallery(page, "examples", 0) == run.top(14)["id"].to_pylist()
    assert gallery(page, "examples", 1) == run.top(14, easiest=True)["id"].to_pylist()
    for label in range(4):
        ends = [gallery(page, "examples", 2 + 2 * label + end) for end in (0, 1)]
        expected = [
            run.top(12, label=label, easiest=end)["id"].to_pylist() for end in (False, True)
        ]
        assert ends == expected
    wrong = run.top(14).to_pylist()
    marks = page.partition('id="examples"')[2].count("tile wrong")
    assert marks >= sum(row["label"] != row["prediction@all"] for row in wrong) > 0
    assert "&lt;dog&gt;" in page
    assert "<dog>" not in page


def test_pictures_are_in_the_page(run: Run, page: str) -> None:
    first = run.top(1)["index"][0].as_py()
    found = re.search(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', page)
    assert found
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))
    row = np.load(str(run.question["where"]["data"]))["inputs"][first].transpose(1, 2, 0)
    np.testing.assert_allclose(image, (row - row.min()) / np.ptp(row) * 255, atol=1)
    assert found[2].startswith(f"example {first}, labelled ")


@pytest.mark.slow
def test_errors_are_those_of_analyze(run: Run, page: str) -> None:
    found = vog.analyze(run)
    said, drawn = section(page, "errors"), specs(page)
    for stage, errors in found.errors.items():
        assert f"{errors.lowest.error:.1%} [{errors.lowest.low:.1%}" in said
        text = json.dumps(drawn[f"error_by_decile_{stage}"])
        assert all(f'"error": {one.error}' in text for one in errors.deciles), stage
    tops = {
        json.dumps(drawn[f"error_by_decile_{s}"]).partition('"domain": [0, ')[2][:8]
        for s in found.errors
    }
    assert len(tops) == 1, "all stages are on one scale"


@pytest.mark.slow
def test_the_stages_and_the_classes(run: Run, page: str) -> None:
    shift = result_of(run, "stages")
    said = section(page, "stages")
    for group in shift.groups:
        assert f"{group.name} {group.examples} {group.share:.1%}" in said
    hard = gallery(page, "stages", 0)
    ids = run.table(["id"])["id"].to_pylist()
    assert hard == [ids[row] for row in shift.groups[0].rows[:9]]
    names = run.label_names or []
    said = section(page, "classes")
    places = [
        said.index(f" {names[one.label]} {one.examples} ")
        for one in result_of(run, "classes").spreads
    ]
    assert places == sorted(places), "the hardest class first"


@pytest.mark.slow
def test_whether_the_scores_agree(run: Run, page: str) -> None:
    found = result_of(run, "agreement")
    assert not isinstance(found.gradient_norm, Missing)
    assert f"Here they agree at {found.gradient_norm.spearman:.2f}" in section(page, "agreement")
    text = json.dumps(specs(page)["agreement"])
    assert all(name.removesuffix("@all") in text for name in found.correlations)
    ids = gallery(page, "agreement")
    assert ids == [one.id for one in found.disputes]
    said = {(one.score, one.stage): one.reliability_text for one in found.stability}
    assert any("none (halves -" in one for one in said.values())
    for name in found.correlations:
        score_name = name.removesuffix("@all")
        row = [said.get((score_name, stage), "\u2013") for stage in run.stages]
        assert f" {score_name} {' '.join(row)} " in section(page, "agreement")
    assert "Not measured at stages early, middle, late: fewer than 4 checkpoints for vog, " in (
        section(page, "agreement")
    )


@pytest.mark.slow
def test_label_errors_without_a_promise(run: Run, page: str) -> None:
    errors = result_of(run, "labels")
    said = section(page, "labels")
    assert "VoG over all checkpoints does not find label errors" in said
    assert "A ranking and no verdict" in said
    assert gallery(page, "labels") == [one.id for one in errors.suspects]


def test_columns_are_explained(run: Run, page: str) -> None:
    said = section(page, "columns")
    for name in run.score_columns:
        metadata = {k.decode(): v.decode() for k, v in run.schema.field(name).metadata.items()}
        score_name = name.partition("@")[0]
        assert f"{score_name} {metadata['higher_means']} " in said
        assert metadata["unit"] in said
        assert metadata["source"] in said


def test_nothing_is_from_elsewhere(page: str) -> None:
    bare = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"""(src|href|action)=["'](?!data:|#)""", bare)
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\(", bare)
    assert page.count("</script>") == len(specs(page)) + 1


@pytest.mark.slow
def test_markup_in_names_stays_text(tmp_path: Path, checkpoints: Path) -> None:
    """In the charts too, where a name could end the script that holds it."""
    names = (
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "{{ 7 * 7 }}",
        "d",
    )
    data = world.save_npz(tmp_path / "data.npz", 40, names)
    run = vog.score(world.build, checkpoints, str(data), tmp_path / "run", quiet=True)
    text = report(run, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "{{ 7 * 7 }}" in text
    assert any(names[0] in json.dumps(spec).replace('\\"', '"') for spec in specs(text).values())


@pytest.mark.slow
def test_rows_that_are_unreadable(tmp_path: Path, checkpoints: Path) -> None:
    inputs, labels = world.inputs_and_labels(30)
    inputs[4] = np.nan
    run = vog.score(world.build, checkpoints, (inputs, labels), tmp_path / "run", quiet=True)
    text = report(run, tmp_path / "r.html").read_text(encoding="utf-8")
    said = section(text, "scored")
    assert "1 rows could not be read or scored" in said
    assert f"4 {run.problems()['problem'][0]}" in said
    assert "data objects in Python, 30 examples" in said
    assert "does not say where its images are" in section(text, "examples")
    assert "no picture" in section(text, "examples")


@pytest.mark.slow
def test_a_run_that_can_tell_little(tmp_path: Path, checkpoints: Path) -> None:
    """One score, one stage: every section is there and says what is missing."""
    data = world.inputs_and_labels(30)
    out = tmp_path / "run"
    run = vog.score(world.build, checkpoints, data, out, scores="entropy", stages=1, quiet=True)
    text = report(run, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Score again with" in section(text, "map")
    assert "stages" in section(text, "stages")
    assert "The run has one score" in section(text, "agreement")
    assert "VoG over all checkpoints does not find label errors" in section(text, "labels")
    assert set(specs(text)) == {"error_by_decile_all", "classes"}


@pytest.mark.slow
def test_one_score_has_a_stability(tmp_path: Path, checkpoints: Path) -> None:
    data = world.inputs_and_labels(30)
    run = vog.score(world.build, checkpoints, data, tmp_path / "run", scores="vog", quiet=True)
    text = report(run, tmp_path / "r.html").read_text(encoding="utf-8")
    (stable,) = result_of(run, "agreement").stability
    said = section(text, "agreement")
    assert f"score all vog {stable.reliability_text} " in said
    assert "Not measured at stages early, middle, late: fewer than 4 checkpoints for vog." in said
    assert "The run has one score" in said
    assert "Disputed" not in said


@pytest.mark.slow
def test_a_combined_run_says_only_what_is_so(combined: Run, tmp_path: Path) -> None:
    text = report(combined, tmp_path / "r.html", by="vog_z@all").read_text(encoding="utf-8")
    wrong = combined.table(["label", "prediction@all"]).to_pandas()
    share = (wrong["label"] != wrong["prediction@all"]).mean()
    said = section(text, "scored")
    assert "120 examples, means over 2 runs, each under 7 checkpoints, ranked here by" in said
    assert f"What most runs' last checkpoints say contradicts {share:.1%} of the labels" in said
    assert "checkpoints 7 in each run, step 100 to 700 " in said
    assert "precision" not in said
    assert "of computing" not in said
    assert "The last checkpoint" not in text
    assert "the last checkpoint" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "How stable" not in section(text, "agreement"), "its runs tell that"


@pytest.mark.slow
def test_a_combined_run_is_ranked_by_a_view(combined: Run, tmp_path: Path) -> None:
    """A mean z within the class says nothing of the classes, so those are told by the score."""
    text = report(combined, tmp_path / "r.html", by="vog_z@all").read_text(encoding="utf-8")
    assert gallery(text, "examples", 0) == combined.top(14, by="vog_z@all")["id"].to_pylist()
    assert "By vog_z@all, mean z within the class over 2 runs. " in section(text, "examples")
    found = vog.analyze(combined, "vog_z")
    assert f"late {found.errors['late'].lowest.error:.1%} " in section(text, "errors")
    assert "The ranking by vog_z at early and at late agree at " in section(text, "stages")
    assert "The raw vog@all within each class" in section(text, "classes")
    assert "median vog@all of " in specs(text)["classes"]["description"]
    spreads = result_of(combined, "classes", "vog_z@all").spreads
    assert spreads == result_of(combined, "classes", "vog@all").spreads
    assert "SCORE_z_se@STAGE" in section(text, "columns")
    assert "vog_z harder" not in section(text, "columns"), "one row a score"


@pytest.mark.slow
def test_runs_of_other_checkpoints_say_so(combined: Run, tmp_path: Path) -> None:
    folder = combined.folder.parent
    fewer = sorted((folder / "c1").iterdir())[:6]
    data = str(folder / "data.npz")
    six = vog.score(world.build, fewer, data, tmp_path / "six", scores="vog,aum", quiet=True)
    mean = vog.combine([vog.open(folder / "r0"), six], tmp_path / "mean")
    said = section(report(mean, tmp_path / "r.html").read_text(encoding="utf-8"), "scored")
    assert "means over 2 runs, ranked here by" in said
    assert "checkpoints not the same in all runs stages not the same in all runs" in said


@pytest.mark.slow
def test_another_column_and_data_from_a_dataset(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sentences:
        def preview(self, index: int) -> str:
            return f"sentence <{index}>"

    text = report(run, tmp_path / "r.html", by="aum@late", data=Sentences()).read_text("utf-8")
    assert gallery(text, "examples", 0) == run.top(14, by="aum@late")["id"].to_pylist()
    assert "sentence &lt;" in text
    assert "<img" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "in the lowest tenth by aum over all checkpoints" in section(text, "scored")
    assert "ranked by aum of each stage" in section(text, "errors")
    with pytest.raises(ResultError, match="no column 'nothing'"):
        report(run, tmp_path / "s.html", by="nothing")
    with pytest.raises(ResultError, match="'id' is no score"):
        report(run, tmp_path / "s.html", by="id")
    with pytest.raises(ResultError, match=r"report.pdf: a report is a page. End its name in .html"):
        report(run, tmp_path / "report.pdf")
    assert not (tmp_path / "s.html").exists()


@pytest.mark.slow
def test_the_pictures_of_many_classes_fit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes are left out, the least hard last, when the page would become too large."""
    results = find_results(reported_run(run))
    pictures = {one.id: one.pictures(results[one.id]) for one in SECTIONS}
    looked: list[int] = []

    def look(index: int, name: str) -> Any:
        looked.append(index)
        noise = np.random.default_rng(index).integers(0, 256, (112, 112, 3), dtype=np.uint8)
        return Preview(image=Image.fromarray(noise))

    monkeypatch.setattr(galleries, "_MOST_TEXT", 2_100_000)
    shown = galleries.fill_galleries(run, pictures, look, lambda count: None)
    assert 0 < len(looked) < len(galleries.examples_shown(pictures))
    assert len(looked) == len(set(looked)), "each is looked at once"
    ends = shown.sections["examples"]
    assert 0 < len(ends.classes) < 4
    assert ends.left_out == 4 - len(ends.classes)
    assert all(len(hard) == len(easy) == 12 for hard, easy in ends.classes.values())
    every = [tiles for one in shown.sections.values() for tiles in one.tiles.values()]
    every += [tiles for pair in ends.classes.values() for tiles in pair]
    embedded = sum(len(tile.picture or "") for tiles in every for tile in tiles)
    assert embedded < 2_200_000


@pytest.mark.slow
def test_a_run_that_is_not_finished(tmp_path: Path) -> None:
    """Rows 0 to 9 are missing: what stands at the first place is row 10."""
    values = np.arange(30.0)
    run = write_rows(
        tmp_path / "run",
        plain_rows({"vog@all": values, "loss@all": -values}),
        EASIER,
        NAMES,
        part_starts=(10, 20),
    )
    run.part_files[0].unlink()
    run = vog.open(run.folder)
    text = report(run, tmp_path / "r.html").read_text(encoding="utf-8")
    assert gallery(text, "examples", 0) == [f"e{i}" for i in range(29, 19, -1)]
    assert gallery(text, "examples", 1) == [f"e{i}" for i in range(10, 20)]
    assert "10 rows are not scored yet" in section(text, "scored")
    found = compare_columns(run, "vog@all", "loss@all", count=3)
    assert (found.first_alone, found.second_alone) == ((29, 28, 27), (10, 11, 12))
    assert found.spearman == pytest.approx(-1)
    pages = TestClient(application(run, Guard("127.0.0.1")), base_url="http://127.0.0.1")
    assert "20 examples by" in pages.get("/").text
    assert "10 rows are not scored yet" in pages.get("/").text


@pytest.mark.slow
def test_charts_show_themselves_in_a_notebook(run: Run) -> None:
    charts = vog.charts(run)
    assert set(charts) == {
        *(f"error_by_decile_{stage}" for stage in run.stages),
        *("data_map", "stages", "classes", "agreement", "vog_against_grad_norm"),
    }
    for chart in charts.values():
        assert isinstance(chart, alt.TopLevelMixin)
        assert "vega" in str(chart._repr_mimebundle_())


@pytest.mark.slow
def test_the_command(cli: Cli) -> None:
    score(cli)
    code, out, err = cli("report", "run", "--figures", "figures")
    assert (code, err) == (0, "")
    assert re.match(r"report.html: \d\.\d MB\nfigures: the charts as PNG and SVG\n$", out)
    names = {path.stem for path in Path("figures").iterdir()}
    assert {"data_map", "agreement", "error_by_decile_all"} <= names
    for path in Path("figures").glob("*.png"):
        with Image.open(path) as image:
            assert image.width > 600
        assert path.with_suffix(".svg").read_text().startswith("<svg")
    code, _, err = cli("report", "run", "--out", "nowhere/report.html")
    assert code == 1
    assert "could not be written" in err
    code, _, err = cli("report", "nothing")
    assert (code, "nothing is missing" in err) == (1, True)
