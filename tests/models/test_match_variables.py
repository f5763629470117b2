"""`vog.models.match_variables`: the arrays of a file for the variables of a network, by name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vog.errors import CheckpointError
from vog.models.match_variables import match

PATH = Path("model.ckpt-7.index")
NAMES = st.lists(st.text("ab/", min_size=1, max_size=4), min_size=1, max_size=5, unique=True)


def arrays_of(names: list[str]) -> dict[str, np.ndarray]:
    """An array for each name, which holds the position of the name."""
    return {name: np.full((2,), position) for position, name in enumerate(names)}


@given(NAMES, st.sampled_from(["", "scope/"]), st.sampled_from(["", "net/"]))
def test_one_scope_may_be_there_or_not(names: list[str], in_file: str, in_model: str) -> None:
    """Each variable gets the array of its own name, in the order of the variables."""
    names = [f"{name}/v" for name in names]
    file = {f"{in_file}{name}": array for name, array in arrays_of(names).items()}
    if in_file and in_model:
        file = {name.removeprefix(in_file): array for name, array in file.items()}
    shapes = {f"{in_model}{name}": (2,) for name in reversed(names)}
    matched = match(file, shapes, PATH).arrays
    assert list(matched) == list(shapes)
    expected = {f"{in_model}{name}": position for position, name in enumerate(names)}
    assert {name: int(array[0]) for name, array in matched.items()} == expected


def test_what_the_network_does_not_have_is_left_aside() -> None:
    matched = match(arrays_of(["a/kernel", "a/kernel/Odd"]), {"a/kernel": (2,)}, PATH)
    assert list(matched.arrays) == ["a/kernel"]
    assert matched.notes == {"left aside": "a/kernel/Odd: not in the model"}


def test_two_scopes_that_both_fit_are_no_answer() -> None:
    file = arrays_of(["one/kernel", "two/kernel"])
    with pytest.raises(CheckpointError, match="only in the model: kernel") as raised:
        match(file, {"kernel": (2,)}, PATH)
    assert "only in the file:  one/kernel, two/kernel" in str(raised.value)
    assert "names" in str(raised.value)


def test_a_missing_variable_and_another_shape_are_refused() -> None:
    file = {"a": np.zeros(2), "b": np.zeros((3, 2)), "c": np.zeros(1)}
    with pytest.raises(CheckpointError) as raised:
        match(file, {"a": (2,), "b": (2, 3), "d": (1,)}, PATH)
    text = str(raised.value)
    assert f"checkpoint {PATH} does not fit the model" in text
    assert "only in the model: d" in text
    assert "only in the file:  c" in text
    assert "b: (3, 2) in the file, (2, 3) in the model" in text
