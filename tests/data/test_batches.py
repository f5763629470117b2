"""Batches: rows of arrays at once, smaller ones made of larger, and the time that reading took."""

import time

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from batch_tensors import tensor_of
from vog.data import Batch, open_source, read_batch

RNG = np.random.default_rng(0)


def test_rows_of_arrays_are_those_read_one_by_one() -> None:
    """The slice at once, against a transform that does nothing, which is called for each row."""
    inputs, labels = RNG.normal(size=(9, 2, 3)), RNG.integers(0, 3, 9)
    for form in (inputs, inputs[::-1], np.asfortranarray(inputs), inputs.astype(np.float16)):
        sliced = read_batch(open_source((form, labels)), range(2, 7))
        one_by_one = read_batch(open_source((form, labels), transform=np.array), range(2, 7))
        for name in ("rows", "problems"):
            assert getattr(sliced, name) == getattr(one_by_one, name)
        for name in ("labels", "positions", "inputs"):
            torch.testing.assert_close(
                getattr(sliced, name), getattr(one_by_one, name), rtol=0, atol=0
            )


def test_a_batch_is_not_the_array_of_the_user() -> None:
    inputs, labels = np.zeros((4, 2), np.float32), np.zeros(4, np.int64)
    inputs.setflags(write=False)
    batch = read_batch(open_source((inputs, labels)), range(4))
    tensor_of(batch).add_(1)
    batch.labels.add_(1)
    assert not inputs.any()
    assert not labels.any()


@given(st.sets(st.integers(0, 19)), st.integers(1, 25))
def test_split_batches_are_the_batch(bad: set[int], size: int) -> None:
    good = [row for row in range(20) if row not in bad]
    batch = Batch(
        range(100, 120),
        torch.arange(20),
        torch.tensor(good, dtype=torch.int64),
        torch.tensor(good, dtype=torch.float32)[:, None] if good else torch.empty(0),
        {row: f"bad {row}" for row in bad},
        1.5,
    )
    parts = batch.split(size)
    assert [row for part in parts for row in part.rows] == list(range(100, 120))
    assert all(len(part.rows) == size for part in parts[:-1])
    assert torch.cat([part.labels for part in parts]).tolist() == list(range(20))
    assert [part.rows[at] - 100 for part in parts for at in part.positions.tolist()] == good
    assert [x for part in parts for x in tensor_of(part).flatten().tolist()] == good
    found = {part.rows[at] - 100: why for part in parts for at, why in part.problems.items()}
    assert found == batch.problems


def test_seconds_of_reading_are_noted() -> None:
    class Slow:
        targets = (0, 1)

        def __len__(self) -> int:
            return 2

        def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
            time.sleep(0.02)
            return np.zeros(3, np.float32), row

    assert read_batch(open_source(Slow()), range(2)).seconds >= 0.04
