"""The map of a text: one value for each real token, whose mean is the score of the run."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vog
from plain_models import save, states_of
from vog.inspection.inspector import inspector
from vog.inspection.token_maps import token_texts

WORDS = ["[PAD]", "good", "bad", "##ly", "film"]
DATA = [([1, 4], 0), ([2, 3, 4], 1), ([4, 1, 2, 3, 3], 0), ([2, 2], 1)]


class Padded(nn.Module):
    """The mean over real positions, by a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.layer = nn.Embedding(len(WORDS), 4), nn.Linear(4, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        hidden = torch.tanh(self.layer(self.embedding(input_ids)))
        if attention_mask is None:
            return self.head(hidden.mean(dim=1))
        real = attention_mask[..., None].float()
        return self.head((hidden * real).sum(dim=1) / real.sum(dim=1))


class Tokenizer:
    """Knows words by number, as those of transformers do."""

    def convert_ids_to_tokens(self, numbers: list[int]) -> list[str]:
        return [WORDS[number] for number in numbers]

    def __call__(self, text: list[int]) -> dict[str, list[int]]:
        """Take numbers for words, and pad them to a length of six."""
        missing = 6 - len(text)
        mask = [1] * len(text) + [0] * missing
        return {"input_ids": text + [0] * missing, "attention_mask": mask}


@pytest.mark.parametrize("is_padded", [False, True])
def test_the_mean_over_tokens_is_the_score(is_padded: bool, tmp_path: Path) -> None:
    folder = save(states_of(Padded, 3), tmp_path / "checkpoints")
    transform = Tokenizer() if is_padded else None
    run = vog.score(Padded(), folder, DATA, tmp_path / "run", transform=transform, quiet=True)
    inspect = inspector(run, model=Padded(), data=DATA, transform=transform)
    for index, (text, _) in enumerate(DATA):
        example = inspect(index)
        assert example.tokens is not None
        assert example.spread.shape == (1, len(text))
        assert example.gradients.shape == (3, 1, len(text))
        words = [WORDS[number] for number in text] if is_padded else list(map(str, text))
        assert list(example.tokens) == words
        expected = run.values("vog@all")[index]
        np.testing.assert_allclose([example.vog, example.spread.mean()], expected, rtol=1e-5)
        assert not example.differs


def as_words(tokenizer: Any, text: str) -> Any:
    return tokenizer(text)


@pytest.mark.parametrize(
    "source", [Tokenizer(), partial(as_words, Tokenizer()), Tokenizer().__call__]
)
def test_a_tokenizer_is_found_in_what_uses_it(source: object) -> None:
    assert token_texts(torch.tensor([1, 3]), None, source) == ("good", "##ly")


def test_without_a_tokenizer_tokens_are_numbers() -> None:
    assert token_texts(torch.tensor([1, 3]), None, str.lower) == ("1", "3")
