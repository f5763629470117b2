"""Laws between tasks: each is another one where both have the same outputs."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vog.observation import Observation, Outcome
from vog.tasks import TASKS

SEEDS = st.integers(0, 2**31)
SHARED = frozenset(
    {
        *(Outcome.LOSS, Outcome.CONFIDENCE, Outcome.MARGIN),
        *(Outcome.CORRECT, Outcome.ENTROPY, Outcome.ERROR),
    }
)


def shared(name: str, logits: Tensor, labels: Tensor) -> Tensor:
    """The outcomes that all tasks with probabilities have, one row each."""
    task = TASKS[name]
    observation = Observation(task.align(labels, logits[0], None), logits)
    outcomes = task.complete(observation, SHARED).outcomes
    return torch.stack([outcomes[outcome] for outcome in sorted(SHARED)])


def drawn(seed: int, *shape: int) -> Tensor:
    return 4 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(SEEDS)
def test_one_logit_is_two_classes(seed: int) -> None:
    z = drawn(seed, 3, 5)
    labels = (drawn(seed + 1, 5) > 0).long()
    expected = shared("classification", torch.stack([torch.zeros_like(z), z], dim=-1), labels)
    assert torch.allclose(shared("binary", z[..., None], labels), expected, atol=1e-6)
    # The gradient of the logit of two classes (-z/2, z/2) is half of it.
    pair = torch.stack([-z[0] / 2, z[0] / 2], dim=1).requires_grad_()
    derivative = TASKS["classification"].targets["logit"].cotangent(pair, labels)
    half = (derivative * torch.tensor([-0.5, 0.5])).sum(dim=1)
    assert torch.allclose(2 * half, TASKS["binary"].targets["logit"].cotangent(z[0], labels))


@given(SEEDS)
def test_one_tag_is_one_logit(seed: int) -> None:
    z, labels = drawn(seed, 3, 5, 1), (drawn(seed + 1, 5, 1) > 0).long()
    expected = shared("binary", z, labels[:, 0])
    assert torch.allclose(shared("multi-label", z, labels), expected, atol=1e-5)


@given(SEEDS)
def test_one_labelled_position_is_classification(seed: int) -> None:
    logits = drawn(seed, 2, 5, 4, 3)
    random = torch.Generator().manual_seed(seed)
    place, label = (
        torch.randint(4, (5,), generator=random),
        torch.randint(3, (5,), generator=random),
    )
    labels = torch.full((5, 4), -100)
    labels[torch.arange(5), place] = label
    expected = shared("classification", logits[:, torch.arange(5), place], label)
    assert torch.allclose(shared("tokens", logits, labels), expected, atol=1e-6)


@given(SEEDS, st.integers(1, 4))
def test_padding_changes_nothing(seed: int, more: int) -> None:
    logits, labels = drawn(seed, 2, 5, 4, 3), (drawn(seed + 1, 5, 4) > 0).long()
    longer = torch.cat([logits, drawn(seed + 2, 2, 5, more, 3)], dim=2)
    padded = torch.nn.functional.pad(labels, (0, more), value=-100)
    assert torch.equal(shared("tokens", longer, padded), shared("tokens", logits, labels))
    target = TASKS["tokens"].loss
    derivative = target.cotangent(longer[0], padded)
    assert torch.allclose(derivative[:, :4], target.cotangent(logits[0], labels))
    assert not derivative[:, 4:].any()


@given(SEEDS)
def test_squared_errors(seed: int) -> None:
    values, labels = drawn(seed, 3, 5, 1), drawn(seed + 1, 5).double()
    task = TASKS["regression"]
    observation = task.complete(Observation(labels, values), task.outcomes)
    expected = (values[..., 0].double() - labels).square()
    assert torch.allclose(observation.outcome(Outcome.LOSS).double(), expected, rtol=1e-4)
    assert torch.allclose(observation.outcome(Outcome.ERROR).double(), expected.sqrt(), rtol=1e-4)
