"""The outcomes of every task, by hand and against PyTorch's own losses."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vog.observation import Observation, Outcome
from vog.tasks import TASKS, Task

EVERY = pytest.mark.parametrize("name", list(TASKS))


def outcomes(name: str, logits: Tensor, labels: Tensor) -> dict[Outcome, Tensor]:
    task = TASKS[name]
    aligned = task.align(labels, logits, None)
    observation = task.complete(Observation(aligned, logits[None]), task.outcomes)
    return {key: value[0] for key, value in observation.outcomes.items()}


def test_one_logit() -> None:
    # z = log 3, so p(1) = 3/4; with the label 0, the probability of the label is 1/4.
    values = outcomes("binary", torch.tensor([[math.log(3)], [math.log(3)]]), torch.tensor([1, 0]))
    assert values[Outcome.LOSS].tolist() == pytest.approx([math.log(4 / 3), math.log(4)])
    assert values[Outcome.CONFIDENCE].tolist() == pytest.approx([3 / 4, 1 / 4])
    assert values[Outcome.MARGIN].tolist() == pytest.approx([math.log(3), -math.log(3)])
    assert values[Outcome.CORRECT].tolist() == [1, 0]
    assert values[Outcome.PREDICTION].tolist() == [1, 1]
    assert values[Outcome.PREDICTION_PROBABILITY].tolist() == pytest.approx([3 / 4, 3 / 4])
    # The distance of (1/4, 3/4) from (0, 1), and from (1, 0).
    assert values[Outcome.ERROR].tolist() == pytest.approx([2**0.5 / 4, 3 * 2**0.5 / 4])
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert values[Outcome.ENTROPY].tolist() == pytest.approx([entropy, entropy])
    assert values[Outcome.PROBABILITIES].tolist()[0] == pytest.approx([1 / 4, 3 / 4])


def test_several_tags() -> None:
    # Tag 0 has p = 3/4 and is there; tag 1 has p = 1/2 and is not.
    logits, labels = torch.tensor([[math.log(3), 0.0]]), torch.tensor([[1, 0]])
    values = outcomes("multi-label", logits, labels)
    losses = [math.log(4 / 3), math.log(2)]
    assert values[Outcome.TAG_LOSS][0].tolist() == pytest.approx(losses)
    assert values[Outcome.TAG_MARGIN][0].tolist() == pytest.approx([math.log(3), 0])
    assert float(values[Outcome.LOSS]) == pytest.approx(sum(losses) / 2)
    assert float(values[Outcome.CONFIDENCE]) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert float(values[Outcome.MARGIN]) == pytest.approx(math.log(3) / 2)
    assert float(values[Outcome.CORRECT]) == 1, "a logit of 0 is not a tag"
    entropies = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75)), math.log(2)
    assert float(values[Outcome.ENTROPY]) == pytest.approx(sum(entropies) / 2)
    # Wrong by 1/4 and by 1/2: the root of the mean of 2/16 and 2/4.
    assert float(values[Outcome.ERROR]) == pytest.approx(((2 / 16 + 2 / 4) / 2) ** 0.5)
    assert float(outcomes("multi-label", logits, torch.tensor([[1, 1]]))[Outcome.CORRECT]) == 0


def test_amounts() -> None:
    values = outcomes(
        "regression", torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, -2.0]]).double()
    )
    assert float(values[Outcome.LOSS]) == pytest.approx(9 + 16)
    assert float(values[Outcome.ERROR]) == pytest.approx(5)
    one = outcomes("regression", torch.tensor([1.5, 0.0]), torch.tensor([1.0, -2.0]).double())
    assert one[Outcome.LOSS].tolist() == pytest.approx([0.25, 4])


def test_tokens() -> None:
    # p(label) is 3/4 at the first token and 1/4 at the second; the third has no label.
    logits = torch.tensor([[[math.log(3), 0.0], [math.log(3), 0.0], [9.0, 0.0]]])
    values = outcomes("tokens", logits, torch.tensor([[0, 1, -100]]))
    assert float(values[Outcome.LOSS]) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    assert float(values[Outcome.CONFIDENCE]) == pytest.approx(1 / 2)
    assert float(values[Outcome.MARGIN]) == pytest.approx(0, abs=1e-6)
    assert float(values[Outcome.CORRECT]) == pytest.approx(1 / 2)
    assert float(values[Outcome.ERROR]) == pytest.approx((2**0.5 / 4 + 3 * 2**0.5 / 4) / 2)
    # As a language model: the outputs at the first token are about the label 1 of the second.
    values = outcomes("next-token", logits, torch.tensor([[0, 1, -100]]))
    assert float(values[Outcome.CONFIDENCE]) == pytest.approx(1 / 4)


def test_losses_are_those_of_pytorch() -> None:
    random = torch.Generator().manual_seed(0)
    z = torch.randn(5, generator=random)
    labels = torch.tensor([0, 1, 1, 0, 1])
    expected = F.binary_cross_entropy_with_logits(z, labels.float(), reduction="none")
    assert torch.allclose(outcomes("binary", z, labels)[Outcome.LOSS], expected)
    tags, tag_logits = labels[:, None].repeat(1, 3), torch.randn(5, 3, generator=random)
    expected = F.binary_cross_entropy_with_logits(tag_logits, tags.float(), reduction="none")
    assert torch.allclose(
        outcomes("multi-label", tag_logits, tags)[Outcome.LOSS], expected.mean(dim=1)
    )
    tokens = torch.tensor([[1, -100, 2], [0, 0, -100]])
    token_logits = torch.randn(2, 3, 4, generator=random)
    means = [F.cross_entropy(row, label) for row, label in zip(token_logits, tokens, strict=True)]
    assert torch.allclose(
        outcomes("tokens", token_logits, tokens)[Outcome.LOSS], torch.stack(means)
    )
    pixels = torch.randint(4, (2, 5, 6), generator=random)
    pixels[0, 2] = -100
    images = torch.randn(2, 4, 5, 6, generator=random)
    means = [F.cross_entropy(images[i : i + 1], pixels[i : i + 1]) for i in range(2)]
    assert torch.allclose(outcomes("tokens", images, pixels)[Outcome.LOSS], torch.stack(means))
    shifted = [F.cross_entropy(token_logits[i, :-1], tokens[i, 1:]) for i in range(2)]
    actual = outcomes("next-token", token_logits, tokens)[Outcome.LOSS]
    assert torch.allclose(actual, torch.stack(shifted))


def example(name: str) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    shapes = {"binary": (6, 1), "multi-label": (6, 3), "classification": (6, 3)}
    shapes |= {"regression": (6, 2), "tokens": (6, 4, 3), "next-token": (6, 4, 3)}
    values = torch.randn(*shapes[name], generator=random)
    if name == "regression":
        return values, torch.randn(6, 2, generator=random).double()
    if name in ("tokens", "next-token"):
        labels = torch.randint(3, (6, 4), generator=random)
        labels[0, 2:] = -100
        return values, labels
    shape = (6, 3) if name == "multi-label" else (6,)
    return values, torch.randint(2, shape, generator=random)


def named_outcomes(task: Task) -> dict[str, tuple[Outcome, int]]:
    names = {"loss": (Outcome.LOSS, 1), "probability": (Outcome.CONFIDENCE, 1)}
    return {target: pair for target, pair in names.items() if target in task.targets}


@EVERY
def test_derivatives_are_those_of_the_outcomes(name: str) -> None:
    task, (values, labels) = TASKS[name], example(name)
    labels = task.align(labels, values, None)
    for target, (outcome, _) in named_outcomes(task).items():
        leaf = values.clone().requires_grad_()
        numbers = task.complete(Observation(labels, leaf[None]), frozenset({outcome}))
        (expected,) = torch.autograd.grad(numbers.outcome(outcome).sum(), leaf)
        actual = task.targets[target].cotangent(values, labels)
        assert torch.allclose(actual, expected, atol=1e-6), target
        assert torch.allclose(
            task.targets[target](values, labels), numbers.outcome(outcome)[0].detach()
        )


@EVERY
def test_the_default_target(name: str) -> None:
    task, (values, labels) = TASKS[name], example(name)
    labels = task.align(labels, values, None)
    derivative = task.targets["logit"].cotangent(values, labels)
    if name == "binary":
        assert derivative[:, 0].tolist() == [1.0 if label else -1.0 for label in labels]
    elif name == "multi-label":
        assert torch.allclose(derivative, (2.0 * labels - 1) / 3)
    elif name == "regression":
        assert torch.equal(derivative, torch.ones(6, 2))
    elif name == "classification":
        assert torch.equal(derivative, F.one_hot(labels, 3).float())
    else:
        counts = (labels >= 0).sum(dim=1)
        expected = F.one_hot(labels.clamp(min=0), 3) * (labels >= 0)[..., None]
        assert torch.allclose(derivative, expected / counts[:, None, None])


def test_derivatives_with_classes_on_the_second_axis() -> None:
    task, random = TASKS["tokens"], torch.Generator().manual_seed(2)
    images = torch.randn(2, 4, 5, 6, generator=random)
    labels = torch.randint(4, (2, 5, 6), generator=random)
    labels[1, :, 0] = -100
    leaf = images.clone().requires_grad_()
    losses = [F.cross_entropy(leaf[i : i + 1], labels[i : i + 1]) for i in range(2)]
    (expected,) = torch.autograd.grad(torch.stack(losses).sum(), leaf)
    assert torch.allclose(task.loss.cotangent(images, labels), expected, atol=1e-7)


@EVERY
def test_predictions_take_the_place_of_labels(name: str) -> None:
    task, (values, labels) = TASKS[name], example(name)
    aligned = task.align(labels, values, None)
    predicted = task.predicted(values, aligned)
    rows = task.complete(Observation(predicted, values[None]), task.outcomes)
    if Outcome.CORRECT in task.outcomes:
        assert rows.outcome(Outcome.CORRECT).min() == 1
    else:
        assert rows.outcome(Outcome.ERROR).max() == 0
