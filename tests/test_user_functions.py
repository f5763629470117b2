"""Functions named by a user, and the digest by which an edited one is told."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import vog
import world
from vog import user_functions
from vog.errors import FunctionError, VogError


class Scale:
    """A transform object, as torchvision's are."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __call__(self, x: Any) -> Any:
        return x * self.by


def scale(by: float) -> Any:
    """A closure."""
    return lambda x: x * by


def times(x: Any, by: float = 2.0) -> Any:
    return x * by


class Net(nn.Module):
    """Its `temperature` is not in its repr."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.net, self.temperature = world.build(), temperature

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x) / self.temperature


class OtherNet(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(2 * x) / self.temperature

    def _get_name(self) -> str:
        return "Net"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (scale(1), scale(10)),
        (Scale(1), Scale(10)),
        (partial(times, by=1), partial(times, by=10)),
        (times, scale),
        (Net, OtherNet),
        ([Scale(1)].append, print),
    ],
    ids=["closure", "object", "partial", "function", "class", "builtin"],
)
def test_what_does_something_else_is_another(one: object, other: object) -> None:
    assert (
        user_functions.function_identity(one).split()[1]
        != user_functions.function_identity(other).split()[1]
    )


def test_what_does_the_same_is_the_same() -> None:
    for one, other in ((scale(3), scale(3)), (Scale(3), Scale(3)), (times, times), (Net, Net)):
        assert user_functions.function_identity(one) == user_functions.function_identity(other)
        assert " at 0x" not in user_functions.function_identity(one)


@pytest.mark.slow
@pytest.mark.parametrize("changed", [OtherNet(1.0), Net(5.0)], ids=["forward", "setting"])
def test_another_model_of_the_same_shape_is_another_question(
    checkpoints: Path, tmp_path: Path, changed: nn.Module
) -> None:
    data = world.inputs_and_labels(4)
    vog.score(Net(1.0), checkpoints, data, tmp_path / "run")
    vog.score(Net(1.0), checkpoints, data, tmp_path / "run")
    with pytest.raises(VogError, match=r"model\.(code|settings): was"):
        vog.score(changed, checkpoints, data, tmp_path / "run")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import sys\nsys.exit(2)", "ran as a script and exited"),
        ("1 / 0", r"cannot be imported: ZeroDivisionError: .* \(broken_.*.py, line 1\)"),
        ("import nowhere_at_all", "cannot be imported: ModuleNotFoundError"),
        ("f = 3", "is int, not a function"),
        ("def g(): ...", "has no 'f'"),
    ],
)
def test_files_that_are_no_help(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / f"broken_{abs(hash(content))}.py"
    path.write_text(content)
    with pytest.raises(FunctionError, match=message):
        user_functions.load_function(f"{path}:f", "--model")


def test_a_module_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_network.py").write_text("def build(): return 7")
    monkeypatch.chdir(tmp_path)
    assert user_functions.load_function("my_own_network:build", "--model")() == 7
    assert user_functions.load_function("my_own_network.py:build", "--model")() == 7
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "my_own_network.py").write_text("def build(): return 8")
    with pytest.raises(FunctionError, match="is imported already"):
        user_functions.load_function("sub/my_own_network.py:build", "--model")


def test_a_file_with_a_dot_in_its_name_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "my.net.py").write_text("def build(): return 7")
    with pytest.raises(FunctionError, match=r"import a file with a dot in its name.*to my_net\.py"):
        user_functions.load_function(f"{tmp_path}/my.net.py:build", "--model")


def test_a_function_that_exits_is_told(tmp_path: Path) -> None:
    (tmp_path / "exiting_data.py").write_text("import sys\ndef make(): sys.exit(0)")
    function = user_functions.load_function(f"{tmp_path}/exiting_data.py:make", "--data")
    with pytest.raises(FunctionError, match=r"--data 'make' ended the program by SystemExit: 0"):
        user_functions.call_function(function, "make", "--data")


def test_a_name_with_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method of a class, such as `from_pretrained`, makes a model too."""
    code = "class Net:\n    @classmethod\n    def load(cls, size=1):\n        return size + 6\n"
    (tmp_path / "dotted_network.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert user_functions.load_function("dotted_network:Net.load", "--model")() == 7
    assert user_functions.load_function("dotted_network.py:Net.load", "--model")(2) == 8
    with pytest.raises(FunctionError, match=r"Net has no 'laod'. Did you mean 'load'"):
        user_functions.load_function("dotted_network:Net.laod", "--model")
