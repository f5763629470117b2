"""Scores among examples of like length: the bins, and the column in a run of texts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import vog
from command_line import Cli
from plain_models import save, states_of
from vog.errors import ResultError
from vog.result.derived_columns import class_z_score, length_bins, length_z_score
from vog.result.row_pages import RowFilter, RowOrder, RowPages
from vog.result.sql import RunTables

LENGTHS = st.lists(st.integers(-1, 40), min_size=1, max_size=300)


@given(LENGTHS)
def test_bins_hold_neighbouring_lengths_and_enough_examples(lengths: list[int]) -> None:
    array = np.array(lengths)
    first = min(0, *lengths)
    bins = length_bins(array)
    assert (np.diff(bins) >= 0).all()
    known = array[array >= 0]
    sizes = np.bincount(bins[known - first])
    sizes = sizes[sizes > 0]
    assert len(sizes) <= 10
    assert (sizes >= min(20, len(known))).all()
    assert not set(bins[known - first]) & set(bins[array[array < 0] - first])


def test_many_equal_lengths_make_ten_bins() -> None:
    lengths = np.repeat(np.arange(1, 101), 5)
    bins = length_bins(lengths)[lengths]
    assert np.bincount(bins)[1:].tolist() == [50] * 10
    values = np.random.default_rng(0).normal(size=500) + lengths
    np.testing.assert_array_equal(length_z_score(values, lengths), class_z_score(values, bins))


class Words(nn.Module):
    """The mean of the words of a text, to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.layer = nn.Embedding(20, 4), nn.Linear(4, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.tanh(self.layer(self.embedding(tokens))).mean(dim=1))


@pytest.fixture
def texts(tmp_path: Path) -> vog.Run:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 30, 120).tolist()
    data = [(rng.integers(0, 20, length), int(rng.integers(2))) for length in lengths]
    data[7] = (np.zeros(0, np.int64), 1)
    folder = save(states_of(Words, 3), tmp_path / "checkpoints")
    return vog.score(Words(), folder, data, tmp_path / "run", quiet=True)


def test_texts_are_compared_with_those_of_like_length(texts: vog.Run, cli: Cli) -> None:
    table = texts.table(["length", "vog@all", "vog@all:length"])
    lengths, raw = table["length"].fill_null(-1).to_numpy(), texts.values("vog@all")
    assert table["length"].null_count == 1
    np.testing.assert_array_equal(texts.values("vog@all:length"), length_z_score(raw, lengths))
    assert "length" in texts.top(3).column_names
    pages = RowPages(RunTables(texts))
    page = pages.page(RowOrder("vog@all:length", descending=True), RowFilter(), count=200)
    shown = {row["index"]: row["vog@all:length"] for row in page.rows}
    for index, value in enumerate(texts.values("vog@all:length")):
        assert shown[index] is None if np.isnan(value) else abs(shown[index] - value) < 1e-9
    _, printed, _ = cli(
        "top", str(texts.folder), "--by", "vog@all:length", "--format", "csv", "--count", "2"
    )
    assert "length,vog@all:length" in printed


def test_without_lengths_there_is_no_such_column(tmp_path: Path) -> None:
    folder = save(states_of(Words, 3), tmp_path / "checkpoints")
    tokens = np.random.default_rng(0).integers(0, 20, (6, 5))
    run = vog.score(Words(), folder, (tokens, np.arange(6) % 2), tmp_path / "run", quiet=True)
    assert "length" not in run.columns
    with pytest.raises(ResultError, match=r"only scores may end in :class, :robust, :rank\."):
        run.values("vog@all:length")
