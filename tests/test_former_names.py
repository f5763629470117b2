"""Former names work, warn with the present name, and stand in docs/former-names.md."""

import json
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import vog
from vog.analysis.detection.intervals import Estimate
from vog.analysis.detection.planted_faults import Detection
from vog.analysis.many_runs.comparison import Comparison
from vog.analysis.one_run.stability import Stability
from vog.errors import DifferentQuestionError
from vog.former_names import FormerAttribute, former_classes

PAGE = Path(__file__).parents[1] / "docs/former-names.md"
# Rooms of frameworks that need not be installed; they came after the former names.
_OPTIONAL = ("vog.models.jax.", "vog.models.keras.", "vog.models.tensorflow.")


def former_attributes() -> list[tuple[type, str, str]]:
    """Return the class, the former name and the present name of each former attribute."""
    names = [info.name for info in pkgutil.walk_packages(vog.__path__, "vog.")]
    names = [name for name in names if not name.startswith(("vog.__main__", *_OPTIONAL))]
    modules = [import_module(name) for name in names]
    classes = {
        value: None
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    return [
        (owner, former, value.present)
        for owner in classes
        for former, value in vars(owner).items()
        if isinstance(value, FormerAttribute)
    ]


ATTRIBUTES = former_attributes()


def documented() -> dict[str, str]:
    """Return the present name of each former name in the table of the page."""
    table: dict[str, str] = {}
    for line in PAGE.read_text().splitlines():
        cells = [re.findall(r"`([A-Z]\w*)?\.(\w+)`", cell) for cell in line.split("|")[1:-1]]
        if len(cells) == 2 and cells[0]:
            owner = cells[0][0][0]
            for (_, former), (_, present) in zip(*cells, strict=True):
                table[f"{owner}.{former}"] = f"{owner}.{present}"
    return table


@pytest.mark.parametrize(("owner", "former", "present"), ATTRIBUTES)
def test_a_former_attribute_warns_and_gives_the_present_one(
    owner: type, former: str, present: str
) -> None:
    assert present in dir(owner) or present in owner.__annotations__
    value = object()
    example: Any = object.__new__(type("Example", (owner,), {present: value}))
    name = re.escape(owner.__name__)
    with pytest.warns(
        DeprecationWarning, match=rf"^{name}\.{former} is now called {name}\.{present}\.$"
    ):
        assert getattr(example, former) is value


def test_the_page_lists_every_former_attribute() -> None:
    assert documented() == {
        f"{owner.__name__}.{former}": f"{owner.__name__}.{present}"
        for owner, former, present in ATTRIBUTES
    }


def test_the_warning_names_the_line_that_uses_the_former_name(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from vog.analysis.one_run.stability import Stability\n"
        "stability = Stability('vog', 'all', 8, 100, 0.8, 0.9)\n"
        "print(stability.whole)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "0.9\n"
    assert f"{script}:3: DeprecationWarning: Stability.whole is now called" in done.stderr


def test_a_former_attribute_of_a_class_is_no_field() -> None:
    assert isinstance(Stability.whole, FormerAttribute)
    assert "whole" not in repr(Stability("vog", "all", 8, 100, 0.8, 0.9))


def test_a_module_finds_classes_by_former_names() -> None:
    find_class = former_classes("vog.example", Former=Stability)
    with pytest.warns(
        DeprecationWarning, match=r"^vog\.example\.Former is now called vog\.example\.Stability\.$"
    ):
        assert find_class("Former") is Stability
    with pytest.raises(AttributeError, match=r"^module 'vog\.example' has no attribute 'Other'$"):
        find_class("Other")


def test_an_error_has_a_former_name() -> None:
    with pytest.warns(DeprecationWarning, match="is now called vog.errors.DifferentQuestionError"):
        assert import_module("vog.errors").OtherQuestionError is DifferentQuestionError
    row = "| `vog.errors.OtherQuestionError` | `vog.errors.DifferentQuestionError` |"
    assert row in PAGE.read_text().splitlines()


def test_a_former_method_takes_its_arguments(tmp_path: Path) -> None:
    run = vog.Run(tmp_path, {"data": {"examples": 0}})
    with pytest.warns(DeprecationWarning, match=r"^Run\.named is now called Run\.with_label_names"):
        assert run.named(["cat"]) == run.with_label_names(["cat"])


def test_names_in_json_and_csv_have_not_changed() -> None:
    comparison = Comparison(("a", "b"), 2, (0, 1), 3, "vog@all", (), (), (), ())
    assert json.dumps(comparison.as_dict()) == (
        '{"runs": ["a", "b"], "shared": 2, "only": [0, 1], "relabelled": 3, "by": "vog@all", '
        '"agreements": [], "means": [], "moved": [], "differences": []}'
    )
    assert json.dumps(Stability("vog", "all", 8, 100, 0.8, 0.9).as_dict()) == (
        '{"score": "vog", "stage": "all", "checkpoints": 8, "examples": 100, "halves": 0.8, '
        '"whole": 0.9}'
    )
    half = Estimate(0.5, 0.4, 0.6)
    detection = Detection("flip", "vog", "all", 2, 8, 0, half, half, half, 0.01)
    assert detection.row()["chance"] == 0.01
