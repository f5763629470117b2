"""The pictures of report and viewer in docs/, at both widths, from the digits and from photographs.

    vog demo --out demo
    python experiments/screenshots.py --demo demo --reference reference --out docs

The photographs and their gradients in `reference` are those that the VoG authors published. The
pages print the paths of the data, so give relative ones. Needs Chromium or Chrome, as the tests of
the pages do.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from vog.gradients.score_stored import import_stored
from vog.reporting.page import report
from vog.result import Run, open_run
from vog.result.class_names import read_class_names

SIZES = {"wide": (1280, 1000), "narrow": (390, 844)}
FLAGS = ["--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    if arguments.demo.is_absolute() or arguments.reference.is_absolute():
        parser.error("--demo and --reference: give relative paths, which the pictures show.")
    names = arguments.reference / "imagenet_classes.txt"
    browsers = (os.environ.get("VOG_BROWSER"), "chromium", "chromium-browser", "google-chrome")
    executable = next((path for name in browsers if name and (path := shutil.which(name))), None)
    if executable is None:
        raise SystemExit("No Chromium or Chrome: `make browser` installs one, where it can.")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as beside:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        photographs = Path(beside) / "photographs"
        import_stored(arguments.reference / "train_results", photographs, quiet=True)
        digits = Path(beside) / "digits"
        shutil.copytree(arguments.demo / "run", digits, ignore=shutil.ignore_patterns("review*"))
        draw(browser, open_run(digits), [], arguments.out, Path(beside))
        draw(browser, open_run(photographs), ["--classes", str(names)], arguments.out, Path(beside))
        browser.close()


def draw(browser: Browser, run: Run, args: list[str], out: Path, beside: Path) -> None:
    """Take screenshots of report and viewer of one run."""
    name = run.folder.name
    named = run.with_label_names(read_class_names(Path(args[1]))) if args else run
    page_file = report(named, beside / f"{name}.html")
    hardest = run.top(1, by="aum@all" if "aum@all" in run.columns else None)["index"][0].as_py()
    with serve_run(run.folder, args) as address:
        for size in SIZES:
            with open_page(browser, size, "light") as page:
                page.goto(page_file.as_uri())
                page.wait_for_function("document.querySelectorAll('[data-drawn]').length > 3")
                save(page, out / f"report-{name}-{size}.png")
                page.evaluate("document.querySelector('#agreement').scrollIntoView()")
                save(page, out / f"report-{name}-{size}-agreement.png")
            with open_page(browser, size, "dark" if size == "narrow" else "light") as page:
                page.goto(address)
                save(page, out / f"viewer-{name}-{size}.png")
                page.goto(f"{address}example/{hardest}")
                compute = page.get_by_role("button", name="Compute")
                if compute.count():  # it is remembered after the first time
                    with page.expect_navigation():
                        compute.click()
                save(page, out / f"viewer-{name}-{size}-example.png", full=size == "wide")


@contextmanager
def open_page(browser: Browser, size: str, scheme: str) -> Iterator[Page]:
    """Yield a page of one of the sizes, light or dark."""
    width, height = SIZES[size]
    window = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        bypass_csp=True,
    )
    yield window.new_page()
    window.close()


def save(page: Page, path: Path, full: bool = False) -> None:
    """Save what the window shows, in 256 colours, which is enough for a page."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.querySelectorAll('img').forEach((one) => { one.loading = 'eager'; })")
    if full:
        page.add_style_tag(content=".top { position: static !important; }")
    page.wait_for_timeout(500)
    page.screenshot(path=path, full_page=full)
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT).save(
            path, optimize=True
        )
    print(path)  # noqa: T201


@contextmanager
def serve_run(folder: Path, args: list[str]) -> Iterator[str]:
    """Run `vog view` and yield its address."""
    command = [sys.executable, "-m", "vog", "view", str(folder), "--no-open", "--port", "0", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+/", process.stdout.readline())
        assert address
        try:
            yield address[0]
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
