"""Rows for a training loop: who comes in when, how often each is drawn, replicas, and resuming."""

import itertools
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from scipy import stats
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, Subset

from runs import STAIRS, TWO_CLASSES, write_run
from vog.errors import DataError, ResultError, VogError
from vog.result import Run, open_run
from vog.training import schedules as module
from vog.training.run_sampler import RunSampler
from vog.training.sampler import curriculum_sampler, weighted_sampler
from vog.training.sampler import sampler as former_sampler
from vog.training.schedules import PACINGS

NAN = float("nan")


def sampler(run: Run, dataset: Any = None, order: str = "curriculum", **asked: Any) -> RunSampler:
    """The sampler of an order."""
    return {"curriculum": curriculum_sampler, "weighted": weighted_sampler}[order](
        run, dataset, **asked
    )


class Numbers(torch.utils.data.Dataset[Tensor]):
    """Items that are their own row numbers, called as in `make_run`."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Tensor:
        return torch.tensor(index)


@pytest.fixture
def stairs(tmp_path: Path) -> Run:
    """Eight rows, each harder than the one before; four of class 1, then four of class 0."""
    return write_run(tmp_path / "run", {"vog@all": STAIRS}, TWO_CLASSES)


def drawn(run: Run, epoch: int, **asked: Any) -> list[int]:
    made = sampler(run, **asked)
    made.set_epoch(epoch)
    rows = list(made)
    assert len(rows) == len(made)
    return rows


def curriculum(run: Run, epoch: int, **asked: Any) -> list[int]:
    return sorted(drawn(run, epoch, **{"by": "vog@all", "epochs": 4, "start": 0.25} | asked))


def test_a_curriculum_by_hand(stairs: Run) -> None:
    """Shares 1/4, 7/16, 10/16, 13/16, then 1: of eight rows 2, 3.5, 5, 6.5, 8, rounded up."""
    sizes = [len(curriculum(stairs, epoch)) for epoch in range(6)]
    assert sizes == [2, 4, 5, 7, 8, 8]
    assert curriculum(stairs, 1) == [0, 1, 2, 3]
    assert curriculum(stairs, 1, reverse=True) == [4, 5, 6, 7]
    assert curriculum(stairs, 0, balanced=True) == [0, 4]
    assert curriculum(stairs, 2, balanced=True) == [0, 1, 2, 4, 5, 6]
    assert curriculum(stairs, 0, by=None) == [0, 4], "by default within the class"
    assert curriculum(stairs, 99) == list(range(8))
    assert curriculum(stairs, 0, start=1.0) == list(range(8))


def test_pacings_by_hand() -> None:
    """From 0.25, at 0 and half of the way: linear 5/8, root sqrt(1/16 + 15/32), by factors 1/2."""
    assert [pacing(0.0, 0.25) for pacing in PACINGS.values()] == [0.25] * 4
    halfway = {name: pacing(0.5, 0.25) for name, pacing in PACINGS.items()}
    assert halfway == {
        "linear": 0.625,
        "root": pytest.approx(0.72887, abs=1e-5),
        "step": 1.0,
        "exponential": 0.5,
    }
    assert PACINGS["step"](0.49, 0.25) == 0.25
    assert [pacing(1.0, 0.25) for pacing in PACINGS.values()] == [1.0] * 4


def test_a_pacing_of_ones_own(stairs: Run) -> None:
    """A quarter, and half of the other three."""
    assert len(curriculum(stairs, 0, pacing=lambda _: 0.5)) == 5
    assert len(curriculum(stairs, 1, pacing=lambda done: done**2)) == 3
    assert curriculum(stairs, 0, pacing="step", epochs=2) == [0, 1]
    assert len(curriculum(stairs, 1, pacing="step", epochs=2)) == 8


def test_a_share_is_not_a_row_more_for_rounding(tmp_path: Path) -> None:
    """0.1 + 0.9 * 2 / 9 is 0.30000000000000004, and three tenths are meant."""
    run = write_run(tmp_path / "run", {"vog@all": list(range(10))}, [0] * 10)
    assert curriculum(run, 2, start=0.1, epochs=9) == [0, 1, 2]
    assert curriculum(run, 1, start=0.1, epochs=9, pacing=lambda _: 2 / 9) == [0, 1, 2]


def test_rows_without_a_value_come_in_last(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": [NAN, *STAIRS[1:]]}, TWO_CLASSES)
    assert 0 not in curriculum(run, 0)
    assert 0 not in curriculum(run, 3, reverse=True)
    assert 0 in curriculum(run, 4, reverse=True)


def test_equal_values_come_in_by_draw(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": [1.0] * 40}, [0] * 40)
    firsts = {tuple(curriculum(run, 0, seed=seed)) for seed in range(3)}
    assert len(firsts) == 3
    assert tuple(range(10)) not in firsts


def test_an_epoch_is_shuffled_and_each_differently(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": list(range(40))}, [0] * 40)
    orders = {tuple(drawn(run, epoch, epochs=1, seed=seed)) for epoch in (1, 2) for seed in (0, 1)}
    assert len(orders) == 4
    assert tuple(range(40)) not in orders
    assert drawn(run, 1, epochs=1) == drawn(run, 1, epochs=1)


def test_weights_by_hand(tmp_path: Path) -> None:
    """Ranks 0 1/2 1: weights .1 .55 1 of 1.65; at temperature 1/2 squared, .1 .325 1 of 1.425."""
    run = write_run(tmp_path / "run", {"vog@all": [5.0, 6.0, 9.0]}, [0, 0, 0])

    def chances(**asked: Any) -> list[float]:
        made = sampler(run, order="weighted", by="vog@all", **asked)
        assert isinstance(made._schedule, module.Weighted)
        return made._schedule.probabilities.tolist()

    assert chances() == pytest.approx([0.1 / 1.65, 0.55 / 1.65, 1 / 1.65])
    assert chances(temperature=0.5) == pytest.approx([0.1 / 1.425, 0.325 / 1.425, 1 / 1.425])
    assert chances(reverse=True) == pytest.approx([1 / 1.65, 0.55 / 1.65, 0.1 / 1.65])
    assert chances(floor=1.0) == pytest.approx([1 / 3] * 3)


def test_a_row_without_a_value_has_the_mean_weight(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": [NAN, 1.0, 2.0]}, [0, 0, 0])
    made = sampler(run, order="weighted", by="vog@all", floor=0.5)
    assert isinstance(made._schedule, module.Weighted)
    assert made._schedule.probabilities.tolist() == pytest.approx([1 / 3, 0.5 / 2.25, 1 / 2.25])


def test_rows_are_drawn_as_often_as_their_weights_say(
    stairs: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chi-square at 1e-6: it fails by chance once in a million seeds, and this is one of them."""

    class Found:
        probability = np.array([0, 0, 0, 0, 0.5, 0.9, 1, NAN])

    monkeypatch.setattr("vog.analysis.label_errors.suspects.require_verdict", lambda *_: Found)
    by_label = np.array([1, 1, 1, 1, 0.55, 0.19, 0.1, 4.84 / 7])
    by_rank = 0.1 + 0.9 * np.arange(8) / 7
    for weights, expected in (("label", by_label), ("hardness", by_rank)):
        by = "vog@all" if weights == "hardness" else None
        rows = drawn(stairs, 0, order="weighted", weights=weights, by=by, num_samples=20_000)
        counts = np.bincount(rows, minlength=8)
        assert stats.chisquare(counts, 20_000 * expected / expected.sum()).pvalue > 1e-6
    assert len(drawn(stairs, 3, order="weighted")) == 8


ASKED = st.one_of(
    st.fixed_dictionaries(
        {
            "epochs": st.integers(1, 5),
            "start": st.floats(0.05, 1),
            "pacing": st.sampled_from(list(PACINGS)),
            "balanced": st.booleans(),
            "reverse": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {
            "order": st.just("weighted"),
            "num_samples": st.one_of(st.none(), st.integers(1, 30)),
            "reverse": st.booleans(),
            "temperature": st.floats(0.1, 9),
        }
    ),
)
SEEDED = st.fixed_dictionaries({"by": st.just("vog@all"), "seed": st.integers(0, 3)})


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Eleven rows of three classes with ties and a gap."""
    values = [3.0, 1.0, 1.0, 7.0, NAN, 2.0, 2.0, 2.0, 9.0, 0.0, 4.0]
    folder = tmp_path_factory.mktemp("some") / "run"
    return write_run(folder, {"vog@all": values}, [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, -1])


@pytest.mark.slow
@settings(max_examples=30)
@given(ASKED, SEEDED, st.integers(0, 6), st.integers(1, 13))
def test_replicas_share_the_epoch(
    some: Run, asked: dict[str, Any], seeded: dict[str, Any], epoch: int, replicas: int
) -> None:
    whole = drawn(some, epoch, **asked, **seeded)
    for drop_last in (False, True):
        parts = [
            drawn(
                some, epoch, **asked, **seeded, drop_last=drop_last, num_replicas=replicas, rank=r
            )
            for r in range(replicas)
        ]
        assert len({len(part) for part in parts}) == 1, "as long on each"
        together = [row for step in zip(*parts, strict=True) for row in step]
        if drop_last:
            assert together == whole[: len(whole) // replicas * replicas]
        else:
            assert together[: len(whole)] == whole
            assert together == list(itertools.islice(itertools.cycle(whole), len(together)))
            assert len(together) - len(whole) < replicas


@pytest.mark.slow
@settings(max_examples=30)
@given(ASKED, SEEDED, st.integers(0, 6), st.integers(1, 3), st.data())
def test_a_resumed_epoch_goes_on_as_it_would_have(
    some: Run, asked: Any, seeded: dict[str, Any], epoch: int, replicas: int, data: st.DataObject
) -> None:
    settings_ = {**asked, **seeded, "num_replicas": replicas, "rank": replicas - 1}
    whole = drawn(some, epoch, **settings_)
    stop = data.draw(st.integers(0, len(whole)))
    first = sampler(some, **settings_)
    first.set_epoch(epoch)
    begun = iter(first)
    assert [next(begun) for _ in range(stop)] == whole[:stop]
    state = json.loads(json.dumps(first.state_dict()))
    again = sampler(some, **settings_)
    again.load_state_dict(state)
    again.set_epoch(epoch)
    assert len(again) == len(whole)
    rest = iter(again)
    if stop < len(whole):
        next(rest)
        assert again.state_dict()["yielded"] == stop + 1, "resumed twice"
        again.load_state_dict(state)
        rest = iter(again)
    assert list(rest) == whole[stop:]
    again.set_epoch(epoch + 1)
    assert list(again) == drawn(some, epoch + 1, **settings_), "the next epoch is whole"


@pytest.mark.slow
@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.0, NAN]), st.integers(-1, 2)), min_size=1),
    st.integers(1, 5),
    st.floats(0.05, 1),
    st.sampled_from(list(PACINGS)),
    st.booleans(),
)
def test_laws_of_a_curriculum(
    tmp_path_factory: pytest.TempPathFactory,
    cases: list[tuple[float, int]],
    epochs: int,
    start: float,
    pacing: str,
    reverse: bool,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "curriculum"
    labels = [label for _, label in cases]
    values = np.array([value for value, _ in cases])
    run = write_run(folder, {"vog@all": values.tolist()}, labels)
    asked = {"by": "vog@all", "epochs": epochs, "start": start, "pacing": pacing}
    asked |= {"reverse": reverse}
    for balanced in (False, True):
        before: set[int] = set()
        made = sampler(run, **asked, balanced=balanced)
        for epoch in range(epochs + 1):
            made.set_epoch(epoch)
            rows = list(made)
            assert len(made) == len(rows)
            share = PACINGS[pacing](epoch / epochs, start)
            assert len(set(rows)) == len(rows), "each once"
            assert before <= set(rows), "who is in stays in"
            before = set(rows)
            if balanced:
                for label in set(labels):
                    kept = sum(labels[row] == label for row in rows)
                    assert -1e-9 <= kept - share * labels.count(label) < 1 + 1e-9
            else:
                assert -1e-9 <= len(rows) - share * len(cases) < 1 + 1e-9
                out = np.setdiff1d(np.arange(len(cases)), rows)
                sign = -1 if reverse else 1
                inside, outside = (np.nan_to_num(sign * values[at], nan=99) for at in (rows, out))
                assert inside.max(initial=-9) <= outside.min(initial=99)
        assert before == set(range(len(cases)))


def test_a_dataset_in_another_order(stairs: Run) -> None:
    """Row 0 of the dataset is `e6`, the hardest; row 3 is `e1`, the easiest."""
    dataset = Numbers(["e6", "e2", "e4", "e1"])
    asked = {"by": "vog@all", "epochs": 4, "start": 0.5}
    assert sorted(drawn(stairs, 0, dataset=dataset, **asked)) == [1, 3]
    assert sorted(drawn(stairs, 0, dataset=Subset(dataset, [3, 0]), **asked)) == [0]
    assert sorted(drawn(stairs, 0, dataset=dataset, balanced=True, **asked)) == [2, 3]
    rows = drawn(stairs, 0, dataset=dataset, by="vog@all", order="weighted")
    assert np.bincount(rows).argmax() == 0
    twice = Numbers(["e6", "e2", "e6", "e1"])
    assert sorted(drawn(stairs, 0, dataset=twice, **asked)) == [1, 3]


def test_without_a_dataset_no_row_may_be_missing(stairs: Run) -> None:
    """Rows that are not there would never be drawn, and nobody would know."""
    part = stairs.part_files[0]
    table = parquet.read_table(part)
    parquet.write_table(table.slice(4), stairs.folder / "part-00004.parquet")
    part.unlink()
    asked = {"by": "vog@all", "epochs": 4, "start": 0.5}
    with pytest.raises(ResultError, match="lacks 4 rows, which would never be drawn"):
        drawn(open_run(stairs.folder), 0, **asked)
    rest = Numbers([f"e{number}" for number in range(4, 8)])
    assert sorted(drawn(open_run(stairs.folder), 0, dataset=rest, **asked)) == [0, 1]


def test_rows_that_the_run_does_not_know_are_named(stairs: Run) -> None:
    dataset = Numbers(["e6", "a/1.jpg", "e2"])
    message = "has 2 of the 3 rows of the dataset. It has no a/1.jpg, but e0, e1, e2."
    with pytest.raises(DataError) as error:
        sampler(stairs, dataset, epochs=3)
    assert message in str(error.value)
    with pytest.raises(DataError, match="has 0 of the 0 rows"):
        sampler(stairs, Numbers([]), epochs=3)


def test_a_loader_with_workers(stairs: Run) -> None:
    """Workers read ahead: what was given out is more than what was trained with."""
    dataset = Numbers([f"e{i}" for i in range(8)])
    made = sampler(stairs, dataset, epochs=2, start=0.5)
    loader = DataLoader(dataset, batch_size=2, sampler=made, num_workers=2)
    for epoch, batches in ((0, 2), (1, 3), (2, 4)):
        made.set_epoch(epoch)
        assert len(loader) == batches
        found = torch.cat(list(loader)).tolist()
        assert found == drawn(stairs, epoch, dataset=dataset, epochs=2, start=0.5)
    made.set_epoch(3)
    batches_ = iter(loader)
    trained = next(batches_).tolist()
    state = made.state_dict(yielded=2)
    assert made.state_dict()["yielded"] > 2
    del batches_
    made.load_state_dict(state)
    rest = torch.cat(list(DataLoader(dataset, batch_size=2, sampler=made))).tolist()
    assert trained + rest == drawn(stairs, 3, dataset=dataset, epochs=2, start=0.5)


def test_an_epoch_that_is_drawn_twice_is_told(stairs: Run) -> None:
    made = sampler(stairs, epochs=3)
    list(made)
    with pytest.warns(UserWarning, match="epoch 0 is drawn again: call sampler.set_epoch"):
        list(made)
    made.set_epoch(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(iter(made))
        next(iter(made))


CHANGED: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "seed was 0, is now 1"),
    "column": ({"by": "vog@all"}, "by was None, is now 'vog@all'"),
    "start": ({"start": 0.5}, "start was 0.2, is now 0.5"),
    "pacing": ({"pacing": lambda done: done}, "pacing was 'linear', is now 'a function'"),
    "replicas": ({"num_replicas": 2, "rank": 0}, "num_replicas was 1, is now 2"),
    "order": (
        {"order": "weighted"},
        "order was 'curriculum', is now 'weighted'",
    ),
    "dataset": (
        {"dataset": Numbers([f"e{i}" for i in range(7)])},
        "the run, or the rows of the dataset, differ",
    ),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_state_of_another_sampler_is_refused(stairs: Run, name: str) -> None:
    changes, message = CHANGED[name]
    state = sampler(stairs, epochs=3).state_dict()
    own = {"epochs": 3} if "order" not in changes else {}
    other = sampler(stairs, **{**own, **changes})
    with pytest.raises(ResultError) as error:
        other.load_state_dict(state)
    assert message in str(error.value)


@pytest.mark.parametrize("yielded", [None, 8, 100])
def test_the_state_of_a_finished_epoch_does_not_go_back(stairs: Run, yielded: int | None) -> None:
    """As StatefulDataLoader does: `set_epoch` first, and the state when it is iterated."""
    made = sampler(stairs, epochs=2, start=1.0)
    first = list(made)
    state = made.state_dict(yielded)
    assert state["yielded"] == 8, "batches times batch size may be more than there are"
    again = sampler(stairs, epochs=2, start=1.0)
    again.set_epoch(1)
    again.load_state_dict(state)
    second = list(again)
    made.set_epoch(1)
    assert second == list(made) != first
    same = sampler(stairs, epochs=2, start=1.0)
    same.load_state_dict(state)
    assert (same.epoch, list(same)) == (0, []), "without set_epoch nothing is left of it"


def test_a_state_that_cannot_be(stairs: Run) -> None:
    made = sampler(stairs, epochs=2)
    with pytest.raises(ResultError, match="yielded=-1: expected a number of rows, from 0"):
        made.state_dict(-1)
    made.set_epoch(1)
    with pytest.raises(DataError, match="the state has yielded 9 rows"):
        made.load_state_dict(made.state_dict() | {"epoch": 0, "yielded": 9})
    assert made.epoch == 1, "a state that is refused changes nothing"


def test_which_replica_this_is_has_to_be_known(stairs: Run) -> None:
    with pytest.raises(ResultError, match="num_replicas=4, but the rank .* Give rank"):
        sampler(stairs, epochs=2, num_replicas=4)
    with pytest.raises(ResultError, match="num_replicas=0: expected at least 1"):
        sampler(stairs, epochs=2, num_replicas=0)


def test_a_state_of_another_run_or_pacing_is_refused(stairs: Run, tmp_path: Path) -> None:
    made = sampler(stairs, epochs=3)
    other = write_run(tmp_path / "other", {"vog@all": STAIRS[::-1]}, TWO_CLASSES)
    with pytest.raises(ResultError, match="the run, or the rows of the dataset, differ"):
        sampler(other, epochs=3).load_state_dict(made.state_dict())
    square = sampler(stairs, epochs=3, pacing=lambda done: done**2)
    with pytest.raises(ResultError, match="the dataset, differ"):
        square.load_state_dict(sampler(stairs, epochs=3, pacing=lambda done: done).state_dict())
    with pytest.raises(ResultError, match="the state has epoch; expected what"):
        made.load_state_dict({"epoch": 1})
    weighted = sampler(stairs, order="weighted", weights="hardness")
    with pytest.raises(ResultError, match="the dataset, differ"):
        sampler(other, order="weighted").load_state_dict(weighted.state_dict())


def test_the_state_of_another_rank_will_do(stairs: Run) -> None:
    first, second = (sampler(stairs, epochs=1, num_replicas=2, rank=rank) for rank in (0, 1))
    first.set_epoch(1)
    next(iter(first))
    second.load_state_dict(first.state_dict())
    assert list(second) == drawn(stairs, 1, epochs=1, num_replicas=2, rank=1)[1:]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "epochs": ({"epochs": 0}, "epochs=0: after how many"),
    "pacing": ({"epochs": 2, "pacing": "lin"}, "there is no pacing 'lin'. Did you mean 'linear'?"),
    "far pacing": (
        {"epochs": 2, "pacing": lambda done: 3 * done},
        "the pacing must stay in [0, 1]: 0.5 gives 1.5.",
    ),
    "no pacing": ({"epochs": 1, "pacing": lambda _: NAN}, "must stay in [0, 1]: 0 gives nan"),
    "start": ({"epochs": 2, "start": 0.0}, "start=0.0: expected a share in (0, 1]."),
    "start above": ({"epochs": 2, "start": 1.5}, "start=1.5: expected a share"),
    "seed": ({"epochs": 2, "seed": -1}, "seed=-1: expected a whole number from 0."),
    "rank": ({"epochs": 2, "num_replicas": 2, "rank": 2}, "rank=2: expected 0 to 1, of 2."),
    "no column": ({"epochs": 2, "by": "vgo@all"}, "has no column 'vgo@all'"),
    "no score": ({"epochs": 2, "by": "label"}, "'label' is no score"),
    "weights": ({"order": "weighted", "weights": "loss"}, "there are no weights 'loss'. Known:"),
    "floor": ({"order": "weighted", "floor": 0.0}, "floor=0.0: expected a weight in (0, 1]."),
    "cold": ({"order": "weighted", "temperature": 0.0}, "temperature=0.0: expected above 0."),
    "none": ({"order": "weighted", "num_samples": 0}, "num_samples=0: expected at least 1."),
    "column of labels": (
        {"order": "weighted", "weights": "label", "by": "vog@all"},
        "by='vog@all' only works with weights='hardness', not 'label'.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_drawn(stairs: Run, name: str) -> None:
    asked, message = WRONG[name]
    with pytest.raises(VogError) as error:
        sampler(stairs, **asked)
    assert message in str(error.value)


FORMER_WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "order": ({"order": "curiculum"}, "no order 'curiculum'. Did you mean 'curriculum'?"),
    "of the other": ({"order": "weighted", "epochs": 3}, "epochs only works with order='curr"),
    "of weights": ({"epochs": 3, "weights": "label"}, "weights only works with order='weig"),
    "no epochs": ({}, "epochs is required"),
}


@pytest.mark.filterwarnings("ignore:vog.sampler is now")
@pytest.mark.parametrize("name", FORMER_WRONG)
def test_what_the_former_name_refuses(stairs: Run, name: str) -> None:
    asked, message = FORMER_WRONG[name]
    with pytest.raises(ResultError) as error:
        former_sampler(stairs, **asked)
    assert message in str(error.value)


def test_the_former_name_makes_the_same_sampler(stairs: Run) -> None:
    with pytest.warns(DeprecationWarning, match="is now called vog.weighted_sampler"):
        former = former_sampler(stairs, order="weighted", seed=3)
    assert former.state_dict() == weighted_sampler(stairs, seed=3).state_dict()
    with pytest.warns(DeprecationWarning, match="is now called vog.curriculum_sampler"):
        former = former_sampler(stairs, epochs=2)
    assert list(former) == list(curriculum_sampler(stairs, epochs=2))


def test_values_that_are_all_missing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": [NAN] * 3}, [0] * 3)
    with pytest.raises(ResultError, match="no row has a weight, as none has a value"):
        sampler(run, order="weighted")


# Of its own and not of this module, whose imports would take most of the time.
PROCESS = """
import json, sys
import torch
from torch import distributed
from torch.utils.data import DataLoader, TensorDataset
from vog.training.sampler import curriculum_sampler
from vog.result import open_run

folder, rank = sys.argv[1], int(sys.argv[2])
distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
made = curriculum_sampler(open_run(f"{folder}/run"), epochs=2, start=0.5, seed=3)
loader = DataLoader(TensorDataset(torch.arange(8)), batch_size=2, sampler=made)
found = []
for epoch in range(3):
    made.set_epoch(epoch)
    found.append(torch.cat([rows for (rows,) in loader]).tolist())
distributed.barrier()
distributed.destroy_process_group()
print(json.dumps(found))
"""


@pytest.mark.process
@pytest.mark.slow
def test_two_processes_share_each_epoch(stairs: Run) -> None:
    words = [sys.executable, "-W", "error::UserWarning", "-c", PROCESS, str(stairs.folder.parent)]
    both = [
        subprocess.Popen([*words, str(rank)], stdout=subprocess.PIPE, text=True) for rank in (0, 1)
    ]
    one, other = (json.loads(process.communicate()[0]) for process in both)
    assert [process.returncode for process in both] == [0, 0]
    for epoch, size in enumerate((4, 6, 8)):
        mine, yours = one[epoch], other[epoch]
        assert not set(mine) & set(yours)
        assert len(mine) == len(yours) == size / 2
        assert sorted(mine + yours) == sorted(drawn(stairs, epoch, epochs=2, start=0.5, seed=3))


def test_lengths_are_those_of_the_sampler_of_torch(some: Run) -> None:
    """Rows may differ; how many each process has may not."""
    for replicas, drop_last in itertools.product(range(1, 14), (False, True)):
        theirs = DistributedSampler(range(11), replicas, 0, drop_last=drop_last)  # pyright: ignore[reportArgumentType]
        mine = sampler(some, epochs=1, num_replicas=replicas, rank=0, drop_last=drop_last)
        mine.set_epoch(1)
        assert len(mine) == max(0, len(theirs))


def test_rows_of_a_dataset_without_ids_have_to_be_all_of_them(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"vog@all": [1.0, 2.0, 3.0]}, [0, 0, 1])
    with pytest.raises(DataError, match="no ids and 2 items, and .* was made of 3"):
        sampler(run, [1, 2], epochs=2)
