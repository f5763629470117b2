"""Scores of inputs of different lengths do not depend on how much padding they were given."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vog.observation import Observation, Signal, concat
from vog.scores import SCORES, choose_scores, needs_of

OF_GRADIENTS = [
    name
    for name, score in SCORES.items()
    if needs_of([score]) & {Signal.INPUT_GRADIENT, Signal.LOSS_GRADIENT}
]


def computed(name: str, observation: Observation) -> Tensor:
    (score,) = choose_scores([name])
    return score.compute(score.init(observation))


def padded(gradients: list[Tensor], length: int) -> Observation:
    """Gradients of k x positions x dimensions, each padded with what must not count."""
    checkpoints, _, width = gradients[0].shape
    full = torch.full((checkpoints, len(gradients), length, width), 7.0)
    full += torch.arange(checkpoints)[:, None, None, None]
    mask = torch.zeros(len(gradients), length, dtype=torch.bool)
    for row, gradient in enumerate(gradients):
        full[:, row, : gradient.shape[1]] = gradient
        mask[row, : gradient.shape[1]] = True
    labels = torch.zeros(len(gradients), dtype=torch.int64)
    return Observation(labels, input_gradient=full, loss_gradient=full, mask=mask)


@pytest.mark.parametrize("name", OF_GRADIENTS)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 3), st.integers(0, 99))
def test_padding_does_not_count(name: str, lengths: list[int], more: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = [torch.randn(3, length, 2, generator=generator) for length in lengths]
    scores = computed(name, padded(gradients, max(lengths) + more))
    for row, gradient in enumerate(gradients):
        alone = replace(padded([gradient], gradient.shape[1]), mask=None)
        torch.testing.assert_close(scores[row], computed(name, alone)[0], rtol=1e-6, atol=1e-6)


def test_rows_and_checkpoints_keep_their_mask() -> None:
    observation = padded([torch.ones(2, 1, 2), torch.ones(2, 3, 2)], 3)
    part = observation.select_rows(torch.tensor([1]))
    assert part.mask is not None
    assert part.mask.tolist() == [[True, True, True]]
    joined = concat([observation, observation])
    assert joined.mask is not None
    assert joined.mask.tolist() == [[True, False, False], [True, True, True]]
