"""The fold of one batch: looks at several checkpoints are taken together, and no stage is cut."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch

from vog.checkpoints import Stage, cut_stages
from vog.scores import Observation, Signal, choose_scores, concat
from vog.scores.protocol import Score
from vog.sweep import fold
from vog.sweep.fold import StageFold, not_finite_signals
from vog.tasks import CLASSIFICATION

NEEDS = frozenset({Signal.LOGITS, Signal.INPUT_GRADIENT})


@dataclass(frozen=True)
class Noting:
    """A score that notes how many checkpoints it sees at a time."""

    of: Score
    seen: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        return getattr(self.of, name)

    def init(self, seen: Observation) -> object:
        self.seen.append(len(seen.signal(Signal.LOGITS)))
        return self.of.init(seen)


def looks(count: int) -> list[Observation]:
    torch.manual_seed(0)
    labels = torch.tensor([0, 1, 2, 0])
    return [
        Observation(labels, torch.randn(1, 4, 3), torch.randn(1, 4, 3, 5, 5)) for _ in range(count)
    ]


def folded(stages: tuple[Stage, ...], seen: Sequence[Observation]) -> tuple[StageFold, list[int]]:
    (vog,) = choose_scores(["vog"])
    noting = Noting(vog)
    one = StageFold(stages, [noting], NEEDS, CLASSIFICATION)  # type: ignore[list-item]
    for each in seen:
        one.add(each)
    return one, noting.seen


@pytest.mark.parametrize(
    ("room", "expected"), [(10**9, [3, 3, 3]), (0, [1] * 9), (2 * 1248, [2, 1] * 3)]
)
def test_as_many_at_once_as_fit_and_no_stage_is_cut(
    room: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look is 4 x 3 logits and 4 x 75 gradients of 4 bytes: 1,248."""
    seen = looks(9)
    assert seen[0].nbytes == 1248
    monkeypatch.setattr(fold, "_MOST_BYTES", room)
    one, sizes = folded(cut_stages(3, 9, 2), seen)
    assert sizes == expected
    (vog,) = choose_scores(["vog"])
    for name, at in {"early": (0, 3), "late": (6, 9), "all": (0, 9)}.items():
        whole = vog.compute(vog.init(concat(seen[slice(*at)])))
        torch.testing.assert_close(vog.compute(one.states()[name][0]), whole)
    assert [len(classes) for classes, _ in one.predictions] == expected


def test_what_is_not_finite_is_seen_in_every_signal_and_size() -> None:
    """A sum that overflows although each value is finite decides nothing."""
    seen = looks(1)[0]
    assert seen.input_gradient is not None
    gradient = seen.input_gradient.clone()
    gradient[0, 0] = 3e38
    gradient[0, 1, 0, 0, 0] = torch.inf
    gradient[0, 2, 2, 4, 4] = torch.nan
    gradient[0, 3, 0, 0, 0], gradient[0, 3, 0, 0, 1] = torch.inf, -torch.inf
    found = not_finite_signals(replace(seen, input_gradient=gradient), NEEDS)
    assert found[Signal.INPUT_GRADIENT].tolist() == [[False, True, True, True]]
    assert not found[Signal.LOGITS].any()
