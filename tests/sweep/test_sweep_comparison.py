"""`vog.sweep.comparison`: what counts as equal, and what as a jump, in numbers made by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vog.observation import Observation, Signal
from vog.sweep.comparison import equal_in_most_rows, signals_beyond_change, within_tolerance

ROWS = 8
GRADIENT = frozenset({Signal.INPUT_GRADIENT})
NORM = frozenset({Signal.LAST_LAYER_NORM})


def observation(seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    return Observation(
        torch.zeros(ROWS, dtype=torch.int64),
        logits=torch.randn(1, ROWS, 3, generator=generator),
        input_gradient=torch.randn(1, ROWS, 5, generator=generator),
        last_layer_norm=1 + torch.rand(1, ROWS, generator=generator),
    )


SEEN, LAST = observation(), observation(1)


def changed(field: str, rows: int, factor: float) -> Observation:
    """The observation with some rows of a signal scaled."""
    values: Tensor = getattr(SEEN, field).clone()
    values[:, :rows] *= factor
    return replace(SEEN, **{field: values})


def test_within_tolerance_is_of_the_whole() -> None:
    assert within_tolerance(SEEN, SEEN, GRADIENT)
    assert within_tolerance(SEEN, changed("input_gradient", ROWS, 1 + 5e-4), GRADIENT)
    assert not within_tolerance(SEEN, changed("input_gradient", ROWS, 1 + 2e-3), GRADIENT)
    assert not within_tolerance(SEEN, changed("logits", ROWS, 1 + 2e-3), frozenset())
    assert not within_tolerance(SEEN, changed("logits", 1, torch.inf), frozenset())
    first, second = slice(0, 1), slice(1, 2)
    assert not within_tolerance(SEEN, SEEN, frozenset(), first, second)


@pytest.mark.parametrize(
    ("field", "rows", "factor", "equal"),
    [
        ("logits", 1, 1 + 5e-5, True),
        ("logits", 1, 1 + 2e-4, False),  # every example has to agree
        ("input_gradient", 3, 2.0, True),  # three of eight may jump
        ("input_gradient", 5, 2.0, False),
        ("input_gradient", 5, 1 + 5e-3, True),
        ("input_gradient", 1, torch.nan, False),
    ],
)
def test_equal_in_most_rows(field: str, rows: int, factor: float, equal: bool) -> None:
    assert equal_in_most_rows(SEEN, changed(field, rows, factor), GRADIENT) == equal
    assert equal_in_most_rows(changed(field, rows, factor), SEEN, GRADIENT) == equal


@pytest.mark.parametrize(
    ("field", "rows", "factor", "differs"),
    [
        ("logits", 1, 1 + 1e-5, False),
        ("logits", 1, 1.1, True),  # no logit may jump
        ("input_gradient", 2, 2.0, False),  # a quarter of the gradients may
        ("input_gradient", 3, 2.0, True),
        ("last_layer_norm", 1, 1.1, True),  # and no norm
        ("last_layer_norm", 1, 1 + 5e-4, False),
    ],
)
def test_beyond_what_training_changed(field: str, rows: int, factor: float, differs: bool) -> None:
    needs = GRADIENT | NORM
    found = signals_beyond_change(SEEN, changed(field, rows, factor), LAST, needs)
    signal = {"logits": Signal.LOGITS, "input_gradient": Signal.INPUT_GRADIENT}
    assert found == ((signal.get(field, Signal.LAST_LAYER_NORM),) if differs else ())


def test_a_tenth_of_a_percent_of_a_large_change_is_no_difference() -> None:
    """Scores are made of the change, so what is small beside it does not count."""
    far = replace(LAST, logits=SEEN.signal(Signal.LOGITS) + 1000)
    apart = changed("logits", ROWS, 1.1)
    assert signals_beyond_change(SEEN, apart, far, frozenset()) == ()
    assert signals_beyond_change(SEEN, apart, LAST, frozenset()) == (Signal.LOGITS,)


def test_a_norm_that_is_tiny_by_cancellation_is_judged_by_the_largest() -> None:
    norms = SEEN.signal(Signal.LAST_LAYER_NORM).clone()
    norms[:, 0] = 1e-9
    tiny = replace(SEEN, last_layer_norm=norms)
    other = norms.clone()
    other[:, 0] = 2e-9
    seen, last = (replace(SEEN, last_layer_norm=values) for values in (other, norms))
    assert signals_beyond_change(tiny, seen, last, NORM) == ()
