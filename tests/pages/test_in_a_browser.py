"""Report and viewer in a real browser: that they are drawn, can be used, and need nothing else."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

import vog
import world
from vog.reporting.page import report
from vog.result import Run
from vog.result.class_names import read_class_names
from vog.result.marks import Review

ROWS = 120
SECTIONS = [
    "scored",
    "examples",
    "errors",
    "map",
    "stages",
    "classes",
    "agreement",
    "labels",
    "columns",
]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every score, three stages, names of classes: whatever a page can show."""
    folder = tmp_path_factory.mktemp("scored")
    world.save_checkpoints(folder / "c", 7)
    data = world.save_npz(folder / "data.npz", ROWS, names=("ant", "bee", "cat", "dog"))
    model = f"{Path(world.__file__)}:build"
    return vog.score(model, folder / "c", str(data), folder / "run", scores="all", quiet=True)


@pytest.fixture(scope="module")
def page_file(run: Run) -> Path:
    """The report of the run."""
    return report(run, run.folder.parent / "report.html")


@contextmanager
def opened(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """A page in a window of its own. Nothing may go wrong in it, or be asked of elsewhere."""
    wrong: list[str] = []
    context.setdefault("viewport", WIDE)
    window = browser.new_context(**context)
    page = window.new_page()

    def asked(url: str) -> None:
        if not re.match(r"file:|data:|http://127.0.0.1:", url):
            wrong.append(url)

    def told(kind: str, text: str) -> None:
        if kind == "error":
            wrong.append(text)

    page.on("pageerror", lambda error: told("error", str(error)))
    page.on("console", lambda message: told(message.type, message.text))
    page.on("request", lambda request: asked(request.url))
    page.goto(url)
    yield page
    window.close()
    assert wrong == []


@contextmanager
def served(folder: Path, *words: str, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of `vog view`, and its process."""
    command = [sys.executable, "-m", "vog", "view", str(folder), "--no-open", "--port", str(port)]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+/", process.stdout.readline())
        assert address
        try:
            yield address[0], process
        finally:
            process.send_signal(signal.SIGINT)


def accessible(page: Page) -> None:
    """Contrast of AA, names of controls and pictures, landmarks: nothing is found wanting."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def fits(page: Page) -> None:
    """Nothing sticks out to the right."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def drawn(page: Page) -> int:
    """How many charts the page has, all of which are drawn and named."""
    charts = page.locator("[data-spec]")
    expect(page.locator("[data-drawn=yes]")).to_have_count(charts.count())
    for chart in charts.all():
        assert chart.locator("svg g.mark-group").count() > 0
        assert len(chart.get_attribute("aria-label") or "") > 20
    return charts.count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_report_opens_from_disk_without_a_network(
    chromium: Browser, page_file: Path, scheme: str, size: ViewportSize
) -> None:
    window = {"offline": True, "viewport": size, "color_scheme": scheme, "bypass_csp": True}
    with opened(chromium, page_file.as_uri(), **window) as page:
        for name in SECTIONS:
            section = page.locator(f"section#{name}")
            expect(section).to_be_visible()
            assert section.locator("h1, h2").count() == 1
        assert drawn(page) == 4 + 5, "errors of four stages; map, stages, classes, agreement, rival"
        pictures = page.locator("img")
        assert pictures.count() > 100
        assert page.evaluate(
            "[...document.images].every((one) => one.complete && one.naturalWidth > 0 && one.alt)"
        )
        fits(page)
        accessible(page)


def test_a_class_is_chosen_in_the_report(chromium: Browser, run: Run, page_file: Path) -> None:
    with opened(chromium, page_file.as_uri(), offline=True) as page:
        for name, label in (("ant", 0), ("dog", 3)):
            page.locator("#class").select_option(label=name)
            shown = page.locator("[data-class]:visible")
            assert shown.count() == 1
            ids = shown.locator(".tiles").first.locator(".id").all_text_contents()
            assert ids == run.top(12, label=label)["id"].to_pylist()


def test_the_report_without_script_says_so(chromium: Browser, page_file: Path) -> None:
    with opened(chromium, page_file.as_uri(), java_script_enabled=False) as page:
        expect(page.get_by_text("The charts are drawn by a script")).to_be_visible()
        assert page.locator("[data-class]:visible").count() == 4, "all classes, one after another"


def test_a_row_is_found_opened_and_marked(chromium: Browser, run: Run, tmp_path: Path) -> None:
    """Sort, filter, page, open, mark, take back, export; killed, started again: all is there."""
    order = run.top(ROWS, by="aum@late")["index"].to_pylist()
    rows = run.table(["label", "prediction@late"]).to_pylist()
    wrong = [i for i in order if rows[i]["label"] != rows[i]["prediction@late"]]
    review = Review(run.folder)
    with served(run.folder) as (address, process), opened(chromium, address) as page:
        expect(page.locator("h1")).to_have_text("120 examples by vog@all:class, hardest first")
        page.get_by_label("Sort by").select_option("aum")
        page.wait_for_url("**score=aum*")
        page.get_by_label("Stage").select_option("late")
        page.wait_for_url("**stage=late*")
        page.get_by_label("Compared").select_option("as it is")
        expect(page.locator("h1")).to_have_text("120 examples by aum@late, hardest first")
        assert tiles(page) == order[:48]
        page.get_by_role("link", name="Next").first.click()
        page.wait_for_url("**page=2*")
        assert tiles(page) == order[48:96]
        page.get_by_text("Filters").click()
        page.locator("select[name=judged]").select_option("wrong")
        page.wait_for_url("**judged=wrong*")
        assert tiles(page) == wrong[:48]
        here = page.url
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        with page.expect_navigation():
            page.keyboard.press("d")
        assert review.marks()[str(wrong[1])].verdict == "drop"
        expect(page.locator(f".tile:has(#e{wrong[1]})")).to_have_class(re.compile("marked drop"))
        with page.expect_navigation():
            page.keyboard.press("r")
        assert f"/example/{wrong[1]}" in page.url
        page.locator("#relabel").select_option(label=other_class(run, wrong[1]))
        page.get_by_label("Note").fill("looks <odd>")
        with page.expect_navigation():
            page.get_by_role("button", name="Relabel").click()
        assert f"/example/{wrong[2]}" in page.url, "on to the next of the view"
        with page.expect_navigation():
            page.keyboard.press("k")
        assert {one.verdict for one in review.marks().values()} == {"relabel", "keep"}
        with page.expect_navigation():
            page.keyboard.press("u")
        assert f"/example/{wrong[2]}" in page.url, "back at what was taken back"
        assert list(review.marks()) == [str(wrong[1])]
        page.get_by_role("link", name="Review (1)").click()
        expect(page.get_by_text("looks <odd>")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Marks as a table").click()
        saved = Path(download.value.path()).read_text()
        assert f"\n{wrong[1]},relabel," in saved
        process.kill()
        process.wait()
        port = int(address.rstrip("/").rpartition(":")[2])
        with served(run.folder, port=port) as (again, _):
            assert again == address
            page.goto(here)
            assert tiles(page) == wrong[:48], "the address holds the whole view"
            expect(page.locator(f".tile:has(#e{wrong[1]})")).to_have_class(
                re.compile("marked relabel")
            )


def tiles(page: Page) -> list[int]:
    page.wait_for_load_state()  # a heading is there before all tiles are
    return [int(str(one.get_attribute("id"))[1:]) for one in page.locator("[data-tile]").all()]


def other_class(run: Run, row: int) -> str:
    names = run.label_names or []
    label = run.table(["label"])["label"][row].as_py()
    return names[(label + 1) % len(names)]


def test_a_map_is_computed_when_it_is_asked_for(chromium: Browser, run: Run) -> None:
    score = run.table(["vog@all"])["vog@all"][7].as_py()
    with served(run.folder) as (address, _), opened(chromium, f"{address}example/7") as page:
        expect(page.get_by_text("world.py:build() under 7 checkpoints")).to_be_visible()
        with page.expect_navigation():
            page.get_by_role("button", name="Compute").click()
        expect(page.get_by_text(f"its mean, {score:.4g}, is the score vog@all")).to_be_visible()
        assert page.locator(".gradients img").count() == 7
        page.wait_for_load_state("networkidle")
        assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
        accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_of_the_viewer_can_be_read(
    chromium: Browser, run: Run, scheme: str, size: ViewportSize
) -> None:
    window = {"viewport": size, "color_scheme": scheme, "bypass_csp": True}
    with served(run.folder) as (address, _), opened(chromium, address, **window) as page:
        for path in ("", "?judged=wrong&also=aum@all", "example/3", "classes", "compare", "review"):
            page.goto(address + path)
            fits(page)
            accessible(page)


def test_the_viewer_works_without_script(chromium: Browser, run: Run) -> None:
    with (
        served(run.folder) as (address, _),
        opened(chromium, address, java_script_enabled=False) as page,
    ):
        page.get_by_label("Sort by").select_option("loss")
        page.get_by_role("button", name="Show").click()
        expected = run.top(48, by="loss@all:class")["index"].to_pylist()
        assert tiles(page) == expected
        page.locator("li.tile").nth(2).get_by_role("button", name="drop").click()
        assert Review(run.folder).marks()[str(expected[2])].verdict == "drop"
        page.get_by_role("button", name="Undo").click()
        assert str(expected[2]) not in Review(run.folder).marks()


def test_the_photographs(chromium: Browser, reference: Path, tmp_path: Path) -> None:
    """Real pictures and stored gradients: maps of them need no model."""
    from vog.gradients.score_stored import import_stored

    names = reference / "imagenet_classes.txt"
    run = import_stored(reference / "train_results", tmp_path / "run", quiet=True)
    path = report(run.with_label_names(read_class_names(names)), tmp_path / "report.html")
    with opened(chromium, path.as_uri(), offline=True) as page:
        assert drawn(page) == 5
        expect(page.get_by_text("Score again with").first).to_be_visible()
    with (
        served(run.folder, "--classes", str(names)) as (address, _),
        opened(chromium, address) as page,
    ):
        expect(page.locator("h1")).to_have_text("50 examples by vog@all, hardest first")
        with page.expect_navigation():
            page.locator("li.tile a").first.click()
        with page.expect_navigation():
            page.keyboard.press("m")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
        assert page.locator(".gradients img").count() == 3
