"""Observations of models with very many classes: they hold quantities, not logits."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from observing import fitted
from vog.models.torch.adapter import TorchModel
from vog.observation import Observation, Outcome, Signal
from vog.sweep.fold import not_finite_signals
from vog.sweep.observe import Observer
from vog.tasks import TASKS

TOKENS, LENGTH, BATCH = 50_000, 64, 8
OUTCOMES = frozenset({Outcome.LOSS, Outcome.MARGIN, Outcome.ERROR, Outcome.ENTROPY})
GRADIENT = frozenset({Signal.LOGITS, Signal.INPUT_GRADIENT})


class LanguageModel(nn.Module):
    """GPT-2 with two layers; it takes embeddings, so that these can be differentiated."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(vocab_size=TOKENS, n_positions=LENGTH, n_embd=64, n_layer=2, n_head=2)
        self.network = GPT2LMHeadModel(config)

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.network(inputs_embeds=embeddings, use_cache=False).logits


@pytest.mark.slow
def test_a_language_model_is_observed_in_the_memory_of_its_forward_pass() -> None:
    torch.manual_seed(0)
    model = TorchModel(LanguageModel())
    weights = model.ready(fitted(model))
    inputs = torch.randn(BATCH, LENGTH, 64)
    labels = torch.randint(TOKENS, (BATCH, LENGTH))
    task = TASKS["next-token"]
    observer = Observer(model, task, task.targets["logit"])
    placed = model.place(inputs)
    with model.evaluation_mode():

        def forward() -> None:
            with model.observe(weights, placed, differentiate=True):
                pass

        def observe() -> Observation:
            return observer(weights, placed, labels, GRADIENT, outcomes=OUTCOMES)

        observation = observe()
        peak, peak_of_all = model.peak_bytes(forward), model.peak_bytes(observe)
    cotangent = 4 * BATCH * LENGTH * TOKENS
    assert peak >= cotangent, "the logits alone are as large"
    assert peak_of_all <= 1.2 * (peak + cotangent)
    assert observation.nbytes < 2**20, "a hundredth of the logits"
    assert not not_finite_signals(observation, GRADIENT)[Signal.LOGITS].any()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_logits_that_are_not_finite_are_noticed_without_them(value: float) -> None:
    """Three millions of logits, of which one is not finite."""

    class Outputs(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(input).index_fill(1, torch.tensor([7]), value)

    model = TorchModel(Outputs(4, 2**20))
    weights, task = model.ready(fitted(model)), TASKS["classification"]
    observer = Observer(model, task, task.targets["logit"])
    labels, inputs = torch.zeros(2, dtype=torch.int64), torch.randn(2, 4)
    large = observer(weights, inputs, labels, GRADIENT, outcomes=frozenset({Outcome.MARGIN}))
    assert large.logits is None
    assert not_finite_signals(large, GRADIENT)[Signal.LOGITS].tolist() == [[True, True]]


def test_parts_give_what_the_whole_gives() -> None:
    """Two million logits are computed in parts of one or more examples."""
    logits = 3 * torch.randn(2, 40, 2**16)
    labels = torch.randint(2**16, (40,))
    task = TASKS["classification"]
    whole = task.complete(Observation(labels, logits), task.outcomes)
    for row in (0, 17, 39):
        alone = Observation(labels[row : row + 1], logits[:, row : row + 1])
        for name, value in task.complete(alone, task.outcomes).outcomes.items():
            assert torch.allclose(value[:, 0], whole.outcome(name)[:, row], rtol=1e-5), name
    small = replace(whole, logits=None)
    assert small.nbytes < whole.nbytes
