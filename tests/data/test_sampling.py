"""The order of a sample: classes take turns, and a larger sample contains a smaller one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vog.data.sampling import sample_order

LABELS = arrays.arrays(np.int64, st.integers(1, 60), elements=st.integers(-1, 4))


@given(LABELS)
def test_every_row_is_drawn_once_and_classes_take_turns(labels: np.ndarray) -> None:
    order = sample_order(labels, len(labels))
    assert sorted(order) == list(range(len(labels)))
    sizes = {label: int((labels == label).sum()) for label in set(labels.tolist())}
    for count in range(len(labels) + 1):
        drawn = labels[order[:count]]
        of = {label: int((drawn == label).sum()) for label in sizes}
        most = max(of.values(), default=0)
        assert all(of[label] >= min(most - 1, sizes[label]) for label in sizes)


def test_the_order_is_fixed_and_shows_no_pattern() -> None:
    # Of a dataset that is sorted by class: by row number each sample would be its head.
    labels = np.repeat(np.arange(10), 100)
    order = sample_order(labels, 1000)
    assert order[:10].tolist() == [451, 167, 368, 666, 905, 268, 535, 781, 59, 815]
    means = [(order[:200][labels[order[:200]] == label] % 100).mean() for label in range(10)]
    assert 35 < min(means) < max(means) < 65


def test_without_labels_the_order_is_that_of_one_class() -> None:
    one = sample_order(np.full(50, 3), 50)
    assert sample_order(None, 50).tolist() == one.tolist() != list(range(50))
    assert sample_order(None, 0).tolist() == []
