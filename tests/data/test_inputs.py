"""Inputs that are one tensor or several named ones: their laws, and how readers return them."""

import pickle
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import Dataset

from vog import data
from vog.data import Batch, Examples, open_source, worker_processes
from vog.data.examples import UnreadableError, digest_of
from vog.data.inputs import (
    MASK,
    Inputs,
    NamedTensors,
    Uniform,
    VariedInputs,
    concat,
    elements_per_example,
    equal,
    example_shape,
    is_positional,
    lengths_of,
    of_examples,
    tensors_by_name,
)
from vog.errors import DataError

ROWS = 7
SHAPES = st.lists(st.integers(0, 3), max_size=2)
DTYPES = st.sampled_from((torch.float32, torch.int64, torch.bool))


@st.composite
def tensors(draw: st.DrawFn, rows: int) -> Tensor:
    """A tensor of any shape and type, with values that tell its rows apart."""
    shape, dtype = draw(SHAPES), draw(DTYPES)
    numbers = torch.arange(rows).reshape(-1, *[1] * len(shape)).expand(rows, *shape)
    return numbers.to(dtype) if dtype != torch.bool else numbers % 2 == 0


@st.composite
def some_inputs(draw: st.DrawFn) -> Uniform:
    """A tensor, or up to three named ones, with up to six rows."""
    rows = draw(st.integers(0, 6))
    named = st.dictionaries(st.text(max_size=2), tensors(rows), min_size=1, max_size=3)
    return draw(tensors(rows) | named.map(NamedTensors))


def named(**named_tensors: Tensor) -> NamedTensors:
    return NamedTensors(named_tensors)


def as_read(inputs: Inputs) -> dict[str, list[Any]]:
    """The types and values of named inputs."""
    assert isinstance(inputs, NamedTensors)
    return {name: [part.dtype, part.tolist()] for name, part in inputs.tensors.items()}


@given(some_inputs(), st.integers(-8, 8))
def test_slices_joined_are_the_inputs(inputs: Inputs, cut: int) -> None:
    assert equal(concat([inputs[:cut], inputs[cut:]]), inputs)
    assert len(inputs[:cut]) + len(inputs[cut:]) == len(inputs)
    assert equal(concat([inputs]), inputs)


@given(some_inputs(), st.data())
def test_rows_are_chosen_by_number_or_by_mask(inputs: Inputs, draws: st.DataObject) -> None:
    mask = torch.tensor([draws.draw(st.booleans()) for _ in range(len(inputs))], dtype=torch.bool)
    chosen = [inputs[row : row + 1] for row in mask.nonzero().flatten().tolist()]
    assert equal(inputs[mask], concat([inputs[:0], *chosen]))
    assert equal(inputs[mask.nonzero().flatten()], inputs[mask])


@given(some_inputs())
def test_sizes_are_sums_over_tensors(inputs: Uniform) -> None:
    each = list(tensors_by_name(inputs).values())
    assert inputs.nbytes == sum(part.numel() * part.element_size() for part in each)
    assert elements_per_example(inputs) * len(inputs) == sum(part.numel() for part in each)
    assert all(len(inputs) == len(part) for part in each)


@given(some_inputs(), st.integers(1, 7), st.data())
def test_split_batches_are_slices(inputs: Inputs, size: int, draws: st.DataObject) -> None:
    rows = len(inputs) + draws.draw(st.integers(0, 3))
    positions = sorted(draws.draw(st.permutations(range(rows)))[: len(inputs)])
    batch = Batch(
        range(rows),
        torch.zeros(rows, dtype=torch.int64),
        torch.tensor(positions, dtype=torch.int64),
        inputs,
        {row: "damaged" for row in range(rows) if row not in positions},
    )
    start = 0
    for part in batch.split(size):
        assert equal(part.inputs, inputs[start : start + len(part.positions)])
        start += len(part.positions)
    assert start == len(inputs)


@given(some_inputs())
def test_inputs_survive_pickling(inputs: Inputs) -> None:
    assert equal(pickle.loads(pickle.dumps(inputs)), inputs)


@given(some_inputs())
def test_all_tensors_go_to_a_device(inputs: Uniform) -> None:
    moved = inputs.to("meta", non_blocking=True)
    each = list(tensors_by_name(moved).values())
    assert {part.device.type for part in each} == {"meta"}
    assert len(moved) == len(inputs)


def test_how_tensors_go_to_a_device_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def to(self: Tensor, *args: Any, **settings: Any) -> Tensor:
        calls.append((args, settings))
        return self

    monkeypatch.setattr(Tensor, "to", to)
    named(a=torch.zeros(1)).to("cuda:1", non_blocking=True)
    named(a=torch.zeros(1)).to("cuda:1")
    assert calls == [(("cuda:1",), {"non_blocking": True}), (("cuda:1",), {"non_blocking": False})]


def test_all_tensors_are_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self + 1)  # a real one needs a GPU
    pinned = named(a=torch.zeros(2), b=torch.ones(2)).pin_memory()
    assert equal(pinned, named(a=torch.ones(2), b=torch.full((2,), 2.0)))


def test_the_order_of_names_is_irrelevant() -> None:
    numbers, mask = torch.arange(3), torch.tensor([True, False, True])
    first, second = named(numbers=numbers, mask=mask), named(mask=mask, numbers=numbers)
    assert equal(first, second)
    assert equal(concat([first, second]), first[torch.tensor([0, 1, 2, 0, 1, 2])])
    assert list(concat([second, first]).tensors) == ["mask", "numbers"]  # type: ignore


@pytest.mark.parametrize(
    ("first", "second", "is_equal"),
    [
        (torch.tensor([1, torch.nan]), torch.tensor([1, torch.nan]), True),
        (torch.tensor([torch.inf]), torch.tensor([torch.inf]), True),
        (torch.tensor([1, torch.nan]), torch.tensor([torch.nan, 1]), False),
        (torch.tensor([torch.nan]), torch.tensor([0.0]), False),
        (torch.tensor([0.0]), torch.tensor([torch.nan]), False),
        (torch.tensor([2**53]), torch.tensor([2**53 + 1]), False),
        (torch.tensor([1]), torch.tensor([1.0]), False),
        (torch.tensor([True]), torch.tensor([True]), True),
        (torch.zeros(2), torch.zeros(1), False),
        (torch.zeros(2, 1), torch.zeros(1, 2), False),
        (named(a=torch.zeros(2)), torch.zeros(2), False),
        (named(a=torch.zeros(2)), named(b=torch.zeros(2)), False),
        (named(a=torch.zeros(2), b=torch.ones(2)), named(a=torch.zeros(2)), False),
        (named(a=torch.zeros(2)), named(a=torch.zeros(2), b=torch.ones(2)), False),
        (named(a=torch.zeros(2), b=torch.ones(2)), named(a=torch.zeros(2), b=torch.ones(2)), True),
        (named(a=torch.zeros(2), b=torch.ones(2)), named(a=torch.ones(2), b=torch.ones(2)), False),
    ],
)  # fmt: skip
def test_equality(first: Inputs, second: Inputs, is_equal: bool) -> None:
    assert equal(first, second) == is_equal


def test_a_part_without_examples_has_no_say_in_the_names() -> None:
    inputs = named(a=torch.ones(2, 3))
    assert equal(concat([torch.empty(0), inputs, torch.empty(0)]), inputs)
    assert equal(concat([torch.empty(0), torch.empty(0)]), torch.empty(0))


@pytest.mark.parametrize(
    "shapes", [{}, {"a": ()}, {"a": (2,), "b": (3,)}, {"a": (), "b": (3,)}, {"a": (0,), "b": (1,)}]
)
def test_named_tensors_are_of_equal_length(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(DataError, match=r"have the shapes \{.*\}; expected at least one tensor, a"):
        NamedTensors({name: torch.zeros(shape) for name, shape in shapes.items()})


def test_named_tensors_do_not_change_with_the_mapping_of_the_caller() -> None:
    mapping = {"a": torch.zeros(2)}
    inputs = NamedTensors(mapping)
    mapping["b"] = torch.zeros(3)
    assert list(inputs.tensors) == ["a"]


def test_a_row_is_no_inputs() -> None:
    """A number would drop the axis of examples, and the next one would be taken for it."""
    square = named(a=torch.zeros(2, 2), b=torch.zeros(2, 2))
    for row in (0, torch.tensor(0)):
        with pytest.raises(TypeError):
            square[row]  # type: ignore[index]
    with pytest.raises(TypeError):
        list(square)  # type: ignore[arg-type]


def test_parts_of_different_names_are_refused() -> None:
    match = r"one has 'a', 'b'; another has a tensor without a name\. Return the same names"
    with pytest.raises(DataError, match=match):
        concat([named(a=torch.zeros(1), b=torch.zeros(1)), torch.zeros(1)])


class Texts(Dataset[Any]):
    """Tokens, their mask and a weight by name, in whatever form `made` returns."""

    def __init__(self, made: Callable[[dict[str, Any]], Any] = dict, damaged: tuple = ()) -> None:
        self.made, self.damaged = made, damaged

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> tuple[Any, int]:
        if row in self.damaged:
            raise OSError("no such text")
        tokens = np.arange(row, row + 4)
        return self.made({"tokens": tokens, "mask": tokens % 3 > 0, "weight": row / 2}), row % 2


def read(dataset: Any, workers: int = 0, **settings: Any) -> Batch:
    return data.read_batch(open_source(dataset, workers=workers, **settings), range(ROWS))


def expected_values(rows: list[int]) -> dict[str, list[Any]]:
    tokens = [[row, row + 1, row + 2, row + 3] for row in rows]
    return {
        "tokens": [torch.int64, tokens],
        "mask": [torch.bool, [[token % 3 > 0 for token in row] for row in tokens]],
        "weight": [torch.float32, [row / 2 for row in rows]],
    }


class Lazy(Mapping[str, Any]):
    """A mapping that makes its values on access."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values_by_name = values

    def __len__(self) -> int:
        return len(self.values_by_name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __getitem__(self, name: str) -> Any:
        return self.values_by_name[name]


def leaf(number: float) -> Tensor:
    return torch.tensor(number, requires_grad=True)


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dict": dict,
    "user's mapping": UserDict,
    "lazy mapping": Lazy,
    "tensors": lambda values: {name: torch.as_tensor(part) for name, part in values.items()},
    "lists": lambda values: {name: np.asarray(part).tolist() for name, part in values.items()},
    "32 bits": lambda values: values | {"tokens": values["tokens"].astype(np.int32)},
    "big-endian": lambda values: values | {"tokens": values["tokens"].astype(">i2")},
    "16 bits": lambda values: values | {"weight": np.float16(values["weight"])},
    "bytes": lambda values: values | {"tokens": torch.tensor(values["tokens"], dtype=torch.uint8)},
    "reversed": lambda values: values | {"tokens": values["tokens"][::-1].copy()[::-1]},
    "with gradients": lambda values: values | {"weight": leaf(values["weight"])},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_mapping_becomes_named_tensors(form: str) -> None:
    """Whole numbers and masks keep their type, for they are looked up and not computed with."""
    batch = read(Texts(FORMS[form]))
    assert as_read(batch.inputs) == expected_values(list(range(ROWS)))
    assert batch.labels.tolist() == [row % 2 for row in range(ROWS)]
    assert isinstance(batch.inputs, NamedTensors)
    assert not any(part.requires_grad for part in batch.inputs.tensors.values())


def test_names_come_from_a_transform_or_from_below_the_key_of_the_input() -> None:
    def under_a_key(row: int) -> dict[str, Any]:
        return {"inputs": Texts()[row][0], "label": 1}

    under_keys = [under_a_key(row) for row in range(ROWS)]
    assert as_read(read(under_keys).inputs) == expected_values(list(range(ROWS)))
    numbers = (np.arange(ROWS, dtype=np.float32)[:, None], np.zeros(ROWS, int))
    inputs = read(numbers, transform=lambda row: Texts()[int(row[0])][0]).inputs
    assert as_read(inputs) == expected_values(list(range(ROWS)))


def test_a_mapping_whose_input_is_unknown_is_refused_as_ever() -> None:
    items = [Texts()[row][0] for row in range(ROWS)]
    with pytest.raises(DataError, match=r"has the keys 'tokens', 'mask', 'weight'; expected an in"):
        open_source(items)


@pytest.mark.process
@pytest.mark.parametrize("free_bytes", [2**30, 2**21], ids=["shared", "bytes"])
def test_worker_processes_send_named_tensors(
    free_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In shared memory, or as bytes if the tensors together have no room in it, not each."""
    size = 12_600 if free_bytes == 2**21 else 3
    dataset = Texts(lambda values: values | {"a": np.ones(size), "b": np.ones(size)})
    monkeypatch.setattr(worker_processes, "free_shared_memory", lambda: free_bytes)
    if size > 3:
        assert worker_processes.has_room(4 * size * 4, 2), "for one of the two there is room"
        monkeypatch.setattr(Tensor, "share_memory_", lambda self: pytest.fail("no room"))
    examples = open_source(dataset)
    local = data.read_batch(examples, range(ROWS))
    sent = list(data.batches(examples, [range(4), range(4, ROWS)], 2))
    assert equal(concat([batch.inputs for batch in sent]), local.inputs)
    assert torch.equal(torch.cat([batch.labels for batch in sent]), local.labels)
    for part in vars(sent[0].inputs)["tensors"].values():
        assert part.is_shared() == (size == 3)
        part.zero_()  # as any other tensor


@pytest.mark.process
def test_room_that_is_taken_between_two_tensors_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share = Tensor.share_memory_

    def full(self: Tensor) -> Tensor:
        if self.dtype == torch.bool:
            raise RuntimeError("unable to allocate shared memory(shm): No space left on device")
        return share(self)

    monkeypatch.setattr(Tensor, "share_memory_", full)
    (batch,) = data.batches(open_source(Texts()), [range(ROWS)], 1)
    assert as_read(batch.inputs) == expected_values(list(range(ROWS)))


@pytest.mark.process
@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_rows_among_named_tensors(workers: int) -> None:
    examples = open_source(Texts(damaged=(0, 1, 5)), workers=workers)
    batch, empty = data.samples(examples, [range(ROWS), range(2)])
    assert batch.positions.tolist() == [2, 3, 4, 6]
    assert batch.problems == dict.fromkeys((0, 1, 5), "no such text")
    assert as_read(batch.inputs) == expected_values([2, 3, 4, 6])
    first, *_, last = batch.split(2)
    assert as_read(first.inputs) == expected_values([])
    assert as_read(last.inputs) == expected_values([6])
    assert not len(empty.inputs)
    assert not len(empty.split(1)[1].inputs)
    assert equal(concat([empty.inputs, batch.inputs]), batch.inputs)


def test_a_batch_is_not_the_tensors_of_the_user() -> None:
    mine = {"tokens": torch.arange(3), "weight": torch.ones(3)}
    (batch,) = data.batches(Examples(["a"], lambda _: (mine, 0), ""), [range(1)], 0)
    assert isinstance(batch.inputs, NamedTensors)
    for part in batch.inputs.tensors.values():
        part.zero_()
    assert mine["tokens"].tolist() == [0, 1, 2]
    assert mine["weight"].tolist() == [1, 1, 1]


def failing(values: dict[str, Any]) -> Any:
    class Failing(Lazy):
        def __getitem__(self, name: str) -> Any:
            raise KeyError("mine")

    return Failing(values)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            lambda values: values | {"text": "cat"},
            r"'text' of example '0' is read as str; expected a tensor or an array\. Make one of it",
        ),
        (lambda values: {"nested": values}, "'nested' of example '0' is read as dict; expected a"),
        (
            lambda values: values | {"wave": np.ones(2, complex)},
            r"'wave' of example '0' is read as torch.complex128; expected floats, whole numbers or",
        ),
        (
            lambda values: values | {"hash": np.ones(2, np.uint64)},
            "'hash' of example '0' is read as torch.uint64; expected floats, whole numbers or bool",
        ),
        (lambda values: {}, "example '0' is read as dict with no keys; expected a tensor or an"),
        (lambda values: {0: values["tokens"]}, "is read as dict with the keys 0; expected a te"),
        (
            lambda values: {"mask": values["mask"]},
            "example '0' has booleans alone: 'mask'; expected floats or whole numbers beside",
        ),
        (failing, "example '0' cannot be made into an input: KeyError"),
    ],
)  # fmt: skip
def test_mappings_that_are_refused(form: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(Texts(form))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            {"a": torch.zeros(2), "b": torch.zeros(3, 1)},
            r"differ in shape: 'b' of 'x' is \(3,\), 'b' of 'z' is \(3, 1\)\. Equalise them in",
        ),
        (
            {"a": torch.zeros(2), "b": torch.zeros(3, dtype=torch.int64)},
            r"differ in type: 'b' of 'x' is torch.float32, 'b' of 'z' is torch.int64\. Equalise",
        ),
        ({"b": torch.zeros(3)}, r"differ in names: 'x' has 'a', 'b'; 'z' has 'b'\. Equalise them"),
        (torch.zeros(2), "differ in names: 'x' has 'a', 'b'; 'z' has a tensor without a name"),
        ({"a": torch.zeros(2), "b": "cat"}, "'b' of example 'z' is read as str; expected a tens"),
    ],
)
def test_examples_that_differ_in_a_batch(second: Any, message: str) -> None:
    first = {"a": torch.zeros(2), "b": torch.zeros(3)}
    rows = [first, None, dict(reversed(first.items())), second]

    def value(row: int) -> tuple[Any, int]:
        if row == 1:
            raise UnreadableError("damaged")
        return rows[row], 0

    assert len(data.read_batch(Examples(list("xuyz"), value, ""), range(3)).positions) == 2
    with pytest.raises(DataError, match=message):
        data.read_batch(Examples(list("xuyz"), value, ""), range(4))


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.process)])
def test_the_digest_sees_names_and_values_but_not_their_order(workers: int) -> None:
    def digest(form: Callable[[dict[str, Any]], Any]) -> str:
        return open_source(Texts(form), workers=workers).digest

    base = digest(dict)
    assert digest(lambda values: dict(reversed(values.items()))) == base
    assert digest(lambda values: values | {"mask": ~values["mask"]}) != base
    assert digest(lambda values: {name.upper(): part for name, part in values.items()}) != base


def test_the_digest_of_single_tensors_is_that_of_their_values() -> None:
    """So that runs of earlier versions are continued."""
    items = [(np.zeros(2), 3), (np.ones(2), 4)]
    zeros, ones = np.zeros(2, np.float32), np.ones(2, np.float32)
    assert open_source(items).digest == digest_of(2, "", 0, zeros, 3, 1, ones, 4)


def texts(lengths: list[int]) -> list[Uniform]:
    """One text of each length, with numbers that tell them apart."""
    return [
        named(ids=torch.full((1, n), row), kind=torch.ones(1, 2)) for row, n in enumerate(lengths)
    ]


LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=6)


@given(LENGTHS, st.integers(-7, 7), st.data())
def test_examples_of_different_lengths_are_cut_and_joined(
    lengths: list[int], cut: int, draws: st.DataObject
) -> None:
    inputs = of_examples(texts(lengths))
    assert isinstance(inputs, VariedInputs) == (len(set(lengths)) > 1)
    assert equal(concat([inputs[:cut], inputs[cut:]]), inputs)
    order = torch.tensor(draws.draw(st.permutations(range(len(lengths)))))
    assert equal(inputs[order][order.argsort()], inputs)
    mask = torch.tensor([draws.draw(st.booleans()) for _ in lengths])
    assert equal(
        inputs[mask], concat([inputs[:0], *(inputs[i : i + 1] for i in torch.where(mask)[0])])
    )
    assert equal(pickle.loads(pickle.dumps(inputs)), inputs)
    assert inputs.nbytes == sum(8 * n + 4 * 2 for n in lengths)
    assert elements_per_example(inputs) == max(lengths) + 2
    sizes = lengths_of(inputs)
    assert sizes is not None
    assert sizes.tolist() == lengths


def test_a_mask_says_the_length() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    padded = NamedTensors({"ids": torch.zeros(2, 3, dtype=torch.int64), MASK: mask})
    assert lengths_of(padded) is not None
    assert [int(n) for n in lengths_of(padded)] == [2, 1]  # pyright: ignore[reportOptionalIterable]
    assert lengths_of(torch.zeros(2, 3, 4, 4)) is None
    assert lengths_of(torch.zeros(2)) is None


class Items(Dataset[Any]):
    """Items as they are given."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


@pytest.mark.parametrize("workers", [0, 1])
def test_sequences_of_different_lengths_are_read(workers: int) -> None:
    items = [([1, 2, 3], 0), (np.array([4], np.int32), 1), (torch.tensor([5, 6]), 0)]
    examples = open_source(Items(*items), workers=workers)
    (batch,) = data.batches(examples, [range(3)], workers)
    assert isinstance(batch.inputs, VariedInputs)
    assert [each.tolist() for each in batch.inputs.examples if isinstance(each, Tensor)] == [
        [[1, 2, 3]],
        [[4]],
        [[5, 6]],
    ]
    assert example_shape(batch.inputs) == (3,)


def test_images_of_different_sizes_are_refused() -> None:
    examples = open_source(Items((torch.zeros(3, 4, 4), 0), (torch.zeros(3, 4, 5), 0)))
    with pytest.raises(DataError, match=r"differ in shape: '0' is \(3, 4, 4\), '1' is \(3, 4, 5\)"):
        data.read_batch(examples, range(2))


def test_an_empty_text_is_a_problem_of_its_row() -> None:
    examples = open_source(Items(([1, 2], 0), (torch.zeros(0, dtype=torch.int64), 0)))
    batch = data.read_batch(examples, range(2))
    assert batch.positions.tolist() == [0]
    assert batch.problems == {1: "it is a sequence of length 0"}


def test_a_pair_of_arrays_is_two_inputs_by_position() -> None:
    """NumPy would stack arrays of equal shape into one."""
    pair = (np.ones(2, np.float32), np.array([3, 4]))
    batch = data.read_batch(open_source(Items((pair, 0), ((*pair[:1], [5, 6]), 1))), range(2))
    assert isinstance(batch.inputs, NamedTensors)
    assert is_positional(batch.inputs)
    assert [part.dtype for part in batch.inputs.tensors.values()] == [torch.float32, torch.int64]
    assert batch.inputs.tensors["1"].tolist() == [[3, 4], [5, 6]]


def test_a_list_of_numbers_is_one_input() -> None:
    batch = data.read_batch(open_source(Items(([0.5, np.float32(1.5)], 0))), range(1))
    assert isinstance(batch.inputs, Tensor)
    assert batch.inputs.tolist() == [[0.5, 1.5]]
