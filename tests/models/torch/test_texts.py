"""Texts of different lengths, scored as by hand: each alone, backward to the embedding's output."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vog
from plain_models import save, states_of

CLASSES, WORDS, LONGEST, PAD = 3, 50, 30, 1
RNG = np.random.default_rng(0)
LENGTHS = [1, 2, 3, 3, *RNG.integers(4, LONGEST, 20).tolist()]
# Tokens that a model takes for padding stand among the others.
TEXTS = [RNG.integers(0, WORDS, length) for length in LENGTHS]
TEXTS = [
    np.where((text == PAD) & (np.arange(len(text)) == len(text) - 1), 5, text) for text in TEXTS
]
LABELS = RNG.integers(0, CLASSES, len(TEXTS)).tolist()
STEPS = 4


def small(kind: str) -> nn.Module:
    """Return a small classifier of transformers, with weights large enough to differ."""
    import transformers

    widths: dict[str, dict[str, Any]] = {
        "Bert": {"hidden_size": 16, "intermediate_size": 24},
        "Roberta": {"hidden_size": 16, "intermediate_size": 24},
        "DistilBert": {"dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2},
        "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64},
    }
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2}
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=WORDS,
        max_position_embeddings=64,
        num_labels=CLASSES,
        pad_token_id=PAD,
        **({} if kind in ("DistilBert", "GPT2") else layers),
        **widths[kind],
    )
    module = getattr(transformers, f"{kind}ForSequenceClassification")(config)
    for parameter in module.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return module


class Recurrent(nn.Module):
    """The last state of an LSTM, without any mask: padding would change it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.lstm(self.embedding(tokens))[0][:, -1])


class MeanOfWords(nn.Module):
    """The mean over all positions of a layer, which padding would change."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.layer, self.head = nn.Linear(6, 8), nn.Linear(8, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.tanh(self.layer(self.embedding(tokens))).mean(dim=1))


class Forgetful(MeanOfWords):
    """Takes a mask and does not use it."""

    def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return super().forward(tokens)


HUGGING_FACE = ("Bert", "Roberta", "DistilBert", "GPT2")
OWN: dict[str, Callable[[], nn.Module]] = {
    kind.__name__: kind for kind in (Recurrent, MeanOfWords, Forgetful)
}
KINDS = (*HUGGING_FACE, *OWN)


def build(kind: str) -> nn.Module:
    return OWN[kind]() if kind in OWN else small(kind)


def embedding_of(module: nn.Module) -> nn.Module:
    """Return the embedding of the tokens."""
    return next(part for part in module.modules() if isinstance(part, nn.Embedding))


def by_hand(kind: str, states: list[dict[str, Tensor]]) -> dict[str, np.ndarray]:
    """Return scores of each text alone, without padding, by a hook and `backward`."""
    vogs, norms, margins = [], [], []
    for text, label in zip(TEXTS, LABELS, strict=True):
        gradients, aum = [], []
        for state in states:
            module = build(kind)
            module.load_state_dict(state)
            module.eval()
            leaves: list[Tensor] = []

            def cut(layer: Any, arguments: Any, output: Tensor, leaves: Any = leaves) -> Tensor:
                leaves.append(output.detach().requires_grad_())
                return leaves[0]

            embedding_of(module).register_forward_hook(cut)
            output = module(torch.from_numpy(text)[None])
            logits = getattr(output, "logits", output)[0]
            logits[label].backward()
            assert leaves[0].grad is not None
            gradients.append(leaves[0].grad[0])
            rest = torch.cat([logits[:label], logits[label + 1 :]])
            aum.append(float((logits[label] - rest.max()).detach()))
        stacked = torch.stack(gradients)
        vogs.append(float(stacked.std(dim=0, correction=0).mean()))
        norms.append(float(stacked.abs().mean()))
        margins.append(np.mean(aum))
    return {
        "vog@all": np.array(vogs),
        "grad_norm@all": np.array(norms),
        "aum@all": np.array(margins),
    }


def relative(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first - second).max() / np.abs(second).max())


def items(kind: str) -> list[Any]:
    if kind in HUGGING_FACE:
        pairs = zip(TEXTS, LABELS, strict=True)
        return [{"input_ids": text.tolist(), "labels": label} for text, label in pairs]
    return list(zip(TEXTS, LABELS, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_is_scored_as_if_it_were_alone(kind: str, tmp_path: Path) -> None:
    states = states_of(lambda: build(kind), STEPS)
    folder = save(states, tmp_path / "checkpoints")
    run = vog.score(build(kind), folder, items(kind), tmp_path / "run", scores="all", quiet=True)
    for column, expected in by_hand(kind, states).items():
        assert relative(run.values(column), expected) < 2e-6, column
    assert "grand@all" in run.columns or kind == "GPT2"
    assert run.problems().num_rows == 0


@pytest.mark.parametrize("kind", ["Bert", "Recurrent"])
def test_blocks_and_workers_do_not_change_a_bit(kind: str, tmp_path: Path) -> None:
    folder = save(states_of(lambda: build(kind), STEPS), tmp_path / "checkpoints")
    options: dict[str, Any] = {"batch_size": 8, "quiet": True, "rows_per_part": 8}
    first = vog.score(build(kind), folder, items(kind), tmp_path / "a", **options)
    read = vog.score(build(kind), folder, items(kind), tmp_path / "b", workers=1, **options)
    assert read.table().equals(first.table())
    streamed = vog.score(build(kind), folder, items(kind), tmp_path / "c", memory="3MB", **options)
    assert streamed.table().equals(first.table())
