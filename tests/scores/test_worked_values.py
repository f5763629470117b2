"""One worked example a score: the number, and how to get it with a pencil.

Two examples, labels 0 and 1, three checkpoints, three classes. Changing a value here
changes results that people have published: bump the major version and say so.
"""

import math

import pytest
import torch
from torch.testing import assert_close

from vog.observation import Observation
from vog.scores import SCORES, choose_scores, outcomes_of
from vog.tasks import CLASSIFICATION

GRADIENT = torch.tensor([[[1.0, 1.0], [2, -2]], [[1, 3], [2, -2]], [[1, 5], [2, -2]]])
SEEN = Observation(
    labels=torch.tensor([0, 1]),
    logits=torch.tensor(
        [
            [[2.0, 1.0, -3.0], [-1.0, -4.0, -2.0]],
            [[0.0, 3.0, -3.0], [-5.0, -1.0, -2.0]],
            [[4.0, 1.0, -3.0], [-1.0, -6.0, -2.0]],
        ]
    ),
    input_gradient=GRADIENT,
    loss_gradient=-2 * GRADIENT,
    last_layer_norm=torch.tensor([[1.0, 0.5], [2.0, 0.5], [6.0, 2.0]]),
)


def softmax(*logits: float) -> list[float]:
    total = sum(map(math.exp, logits))
    return [math.exp(logit) / total for logit in logits]


def nats(*logits: float) -> float:
    return -sum(p * math.log(p) for p in softmax(*logits))


def off_target(label: int, *logits: float) -> float:
    return math.dist(softmax(*logits), [float(i == label) for i in range(len(logits))])


# p(label) at the three checkpoints.
P0 = [softmax(2, 1, -3)[0], softmax(0, 3, -3)[0], softmax(4, 1, -3)[0]]
P1 = [softmax(-1, -4, -2)[1], softmax(-5, -1, -2)[1], softmax(-1, -6, -2)[1]]


def mean(values: list[float]) -> float:
    return sum(values) / 3


def spread(values: list[float]) -> float:
    return math.sqrt(mean([(value - mean(values)) ** 2 for value in values]))


WORKED = {
    # Pixel 1 never moves; pixel 2 is 1, 3, 5: variance 8/3. Example 2 never moves.
    "vog": [math.sqrt(8 / 3) / 2, 0.0],
    # |1|, |1|; |1|, |3|; |1|, |5|: twelve over six. Example 2 is 2 or -2.
    "grad_norm": [2.0, 2.0],
    # Twice as large and of the other sign: twice the spread.
    "volg": [math.sqrt(8 / 3), 0.0],
    # 4 times (1 + 1) + (1 + 9) + (1 + 25); 4 times three times (4 + 4).
    "csg": [4 * 38.0, 4 * 24.0],
    "grand": [3.0, 1.0],
    "loss": [mean([-math.log(p) for p in P0]), mean([-math.log(p) for p in P1])],
    "el2n": [
        mean([off_target(0, 2, 1, -3), off_target(0, 0, 3, -3), off_target(0, 4, 1, -3)]),
        mean([off_target(1, -1, -4, -2), off_target(1, -5, -1, -2), off_target(1, -1, -6, -2)]),
    ],
    # Margins 1, -3, 3 and -3, 1, -5; all logits of example 2 are negative on purpose.
    "aum": [1 / 3, -7 / 3],
    "confidence": [mean(P0), mean(P1)],
    "variability": [spread(P0), spread(P1)],
    # Right, wrong, right; wrong, right, wrong.
    "correctness": [2 / 3, 1 / 3],
    "entropy": [
        mean([nats(2, 1, -3), nats(0, 3, -3), nats(4, 1, -3)]),
        mean([nats(-1, -4, -2), nats(-5, -1, -2), nats(-1, -6, -2)]),
    ],
    # One lapse each: after the first checkpoint, after the second.
    "forgetting": [1.0, 1.0],
    # Right at once; one checkpoint passes before.
    "first_learned": [0.0, 1.0],
    "aleatoric": [mean([p * (1 - p) for p in P0]), mean([p * (1 - p) for p in P1])],
}


def test_every_score_is_worked() -> None:
    assert WORKED.keys() == SCORES.keys()


@pytest.mark.parametrize("name", SCORES)
def test_worked_value(name: str) -> None:
    score = SCORES[name]
    seen = CLASSIFICATION.complete(SEEN, outcomes_of([score]))
    assert_close(score.compute(score.init(seen)), torch.tensor(WORKED[name]))


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        # Colours averaged: 1, 3, 5 as above. Kept: 0, 0, 0 and 2, 6, 10, spread sqrt(32/3).
        ("mean", math.sqrt(8 / 3)),
        ("keep", math.sqrt(32 / 3) / 2),
    ],
)
def test_channels_are_averaged_or_kept(channels: str, expected: float) -> None:
    moving = torch.tensor([[0.0, 2.0], [0.0, 6.0], [0.0, 10.0]])  # k colours
    seen = Observation(torch.tensor([0]), input_gradient=moving[:, None, :, None, None])
    (vog,) = choose_scores(["vog"], channels)  # type: ignore[arg-type]
    assert_close(vog.compute(vog.init(seen)), torch.tensor([expected]))


def test_an_image_without_a_channel_axis_has_no_colours() -> None:
    """28 rows are not 28 colours: averaging them would leave one number a column."""
    moving = torch.zeros(2, 1, 4, 3)
    moving[1, 0, 0, 0], moving[1, 0, 1, 0] = 12.0, -12.0
    (vog,) = choose_scores(["vog"])
    seen = Observation(torch.tensor([0]), input_gradient=moving)
    # Two pixels of twelve have standard deviation 6, the others 0; averaged they would cancel.
    assert_close(vog.compute(vog.init(seen)), torch.tensor([2 * 6 / 12]))


def test_never_learned_is_infinitely_hard() -> None:
    wrong = Observation(torch.tensor([1]), torch.tensor([[[1.0, 0.0]]] * 3))
    for name in ("forgetting", "first_learned"):
        score = SCORES[name]
        seen = CLASSIFICATION.complete(wrong, outcomes_of([score]))
        assert score.compute(score.init(seen)).item() == math.inf
