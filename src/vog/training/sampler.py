"""Samplers for a training loop: easy rows first, or each row by its weight."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import distributed

from vog.data.datasets import ids_of
from vog.data.examples import RowNumbers
from vog.errors import DataError, ResultError, first_few, unknown
from vog.result import Run
from vog.result.ids import positions_of
from vog.training.run_sampler import RunSampler
from vog.training.schedules import (
    Curriculum,
    Pacing,
    Positions,
    Schedule,
    Weighted,
    base_weights,
    draw_probabilities,
    entry_order,
    entry_shares,
    epoch_shares,
)
from vog.wording import same_again

WEIGHTS = ("hardness", "label")


_RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "seed": ("a whole number from 0", lambda seed: seed >= 0),
    "start": ("a share in (0, 1]", lambda share: 0 < share <= 1),
    "floor": ("a weight in (0, 1]", lambda weight: 0 < weight <= 1),
    "temperature": ("above 0", lambda temperature: temperature > 0),
    "num_samples": ("at least 1", lambda count: count is None or count >= 1),
}
_SETTINGS_OF_ORDER = {
    "curriculum": ("epochs", "pacing", "start", "balanced"),
    "weighted": ("weights", "temperature", "floor", "num_samples"),
}


def curriculum_sampler(
    run: Run,
    dataset: Any = None,
    *,
    epochs: int,
    by: str | None = None,
    reverse: bool = False,
    pacing: Pacing = "linear",
    start: float = 0.2,
    balanced: bool = False,
    seed: int = 0,
    num_replicas: int | None = None,
    rank: int | None = None,
    drop_last: bool = False,
) -> RunSampler:
    """Return a sampler whose epochs have the easiest share of the rows, shuffled.

    The share begins with `start` and is 1 after `epochs`. Use it as `DataLoader(dataset,
    sampler=...)`, and call `set_epoch` before each epoch.

    Args:
        run: the run that gives the hardness of each example.
        dataset: the map-style dataset to draw from, a part of the scored data in any order. Its
            ids are looked up in the run. By default row numbers are those of the scored data.
        epochs: the number of epochs after which all rows are drawn.
        by: the column of the hardness; by default `run.default_column`. Rows without a value come
            last.
        reverse: hard rows first.
        pacing: `linear`; `root` (Platanios et al., NAACL 2019); `step`, all rows from half of the
            epochs on, or `exponential`, with the same growth factor each epoch (Hacohen and
            Weinshall, ICML 2019); or a function from progress in [0, 1) to the position of the
            share between `start` (0) and 1 (1).
        start: the share in epoch 0, in (0, 1].
        balanced: take the same share of each class, so that class proportions stay.
        seed: the same seed and epoch give the same rows in every process.
        num_replicas: the number of processes that share the rows; by default that of
            torch.distributed if it is initialised, else 1. Give 1 where something else, such as
            accelerate, splits the batches between processes. With Lightning, give the Trainer
            `use_distributed_sampler=False`, and make the sampler in `train_dataloader`.
        rank: the number of this process, from 0.
        drop_last: leave out the last rows if they cannot be shared evenly; by default the first
            rows are drawn again, as `DistributedSampler` does.

    Raises:
        ResultError: a setting is invalid, or there is no such column.
        DataError: the dataset has rows that the run does not have.
    """
    args = dict(locals())
    _check_values({"start": start, "seed": seed})
    rows, positions = _match_rows(run, dataset)
    shares = epoch_shares(epochs, pacing, start)
    labels = run.class_labels[positions]
    first = entry_order(run, positions, run.sort_column(by), reverse, seed)
    schedule = Curriculum(entry_shares(first, labels if balanced else 0 * labels), shares)
    return _sampler_of("curriculum", args, rows, schedule)


def weighted_sampler(
    run: Run,
    dataset: Any = None,
    *,
    weights: str = "hardness",
    by: str | None = None,
    reverse: bool = False,
    temperature: float = 1.0,
    floor: float = 0.1,
    num_samples: int | None = None,
    seed: int = 0,
    num_replicas: int | None = None,
    rank: int | None = None,
    drop_last: bool = False,
) -> RunSampler:
    """Return a sampler that draws rows with replacement, each by its weight.

    A row with weight 2 is drawn twice as often as one with weight 1. Use it as `DataLoader(dataset,
    sampler=...)`, and call `set_epoch` before each epoch.

    Args:
        run: as in `curriculum_sampler`, as are `dataset`, `seed`, `num_replicas`, `rank` and
            `drop_last`.
        dataset: the map-style dataset to draw from.
        weights: `hardness`, the rank by `by` in [0, 1], or `label`, the probability that the label
            is right, by `vog.suspects`.
        by: the column of the hardness; by default `run.default_column`. Rows without a value have
            the mean weight.
        reverse: easy rows more often.
        temperature: above 0; x becomes x ** (1 / temperature): near 0 only the largest are drawn,
            and with infinity all rows equally often.
        floor: the smallest weight, where the largest is 1, in (0, 1].
        num_samples: rows an epoch over all replicas; by default the number of rows.
        seed: the same seed and epoch give the same rows in every process.
        num_replicas: the number of processes that share the rows.
        rank: the number of this process, from 0.
        drop_last: leave out the last rows if they cannot be shared evenly.

    Raises:
        ResultError: a setting is invalid, or there is no such column.
        DataError: the dataset has rows that the run does not have.
    """
    args = dict(locals())
    _check_weights(weights, by)
    _check_values({name: args[name] for name in ("seed", "floor", "temperature", "num_samples")})
    rows, positions = _match_rows(run, dataset)
    base = base_weights(run, weights, by)[positions]
    probs = draw_probabilities(1 - base if reverse else base, temperature, floor)
    schedule = Weighted(probs, len(rows) if num_samples is None else num_samples)
    return _sampler_of("weighted", args, rows, schedule)


def sampler(
    run: Run, dataset: Any = None, *, order: str = "curriculum", **settings: Any
) -> RunSampler:
    """Return what `curriculum_sampler` or `weighted_sampler` returns; their former name.

    Args:
        run: as there.
        dataset: as there.
        order: `curriculum` or `weighted`.
        settings: those of the order.

    Raises:
        ResultError: there is no such order, a setting belongs to the other order, or as there.
        DataError: as there.
    """
    if order not in _SETTINGS_OF_ORDER:
        raise ResultError(f"there is no order {order!r}.{unknown(order, _SETTINGS_OF_ORDER)}")
    warnings.warn(
        f"vog.sampler is now called vog.{order}_sampler.", DeprecationWarning, stacklevel=2
    )
    for owner, names in _SETTINGS_OF_ORDER.items():
        stray = [name for name in names if owner != order and name in settings]
        if stray:
            raise ResultError(f"{stray[0]} only works with order={owner!r}, not with {order!r}.")
    if order == "weighted":
        return weighted_sampler(run, dataset, **settings)
    if settings.get("epochs") is None:
        raise ResultError("epochs is required: after how many, at least 1, are all rows drawn?")
    return curriculum_sampler(run, dataset, **settings)


def _sampler_of(
    order: str, args: Mapping[str, Any], rows: Positions, schedule: Schedule
) -> RunSampler:
    """Return the sampler of a schedule, with the settings that its saved state names."""
    names = ("by", "reverse", "seed", "drop_last", *_SETTINGS_OF_ORDER[order])
    config = {"order": order} | {name: _as_plain(args[name]) for name in names}
    return RunSampler(
        rows, schedule, config, _replica_of_process(args["num_replicas"], args["rank"])
    )


def _check_weights(weights: str, by: str | None) -> None:
    """Raise ResultError unless there are such weights, and `by` has a use."""
    if weights == "label" and by is not None:
        raise ResultError(f"by={by!r} only works with weights='hardness', not 'label'.")
    if weights not in WEIGHTS:
        raise ResultError(f"there are no weights {weights!r}.{unknown(weights, WEIGHTS)}")


def _check_values(settings: Mapping[str, Any]) -> None:
    """Raise ResultError unless each setting is in its range."""
    for name, value in settings.items():
        expected, is_valid = _RANGES[name]
        if not is_valid(value):
            raise ResultError(f"{name}={value!r}: expected {expected}.")


def _match_rows(run: Run, dataset: Any) -> tuple[Positions, Positions]:
    """Return the row numbers of the dataset, and the position of each row in the run."""
    table = run.table(["index", "id"])
    if dataset is None:
        run.require_row_numbers()
        if run.missing_rows:
            raise ResultError(
                f"{run.folder} lacks {run.missing_rows:,} rows, which would never be drawn. "
                f"{same_again('score')} to continue, or give the dataset to draw from."
            )
        return table["index"].to_numpy(), np.arange(len(table))
    ids: Sequence[str] = ids_of(dataset)
    size_differs = len(ids) != run.question["data"]["examples"] and "limit" not in run.question
    if isinstance(ids, RowNumbers) and size_differs:
        raise DataError(
            f"the dataset has no ids and {len(ids):,} items, and {run.folder} was made of "
            f"{run.question['data']['examples']:,}, so they cannot be matched. Give a `Subset` of "
            f"the dataset that was scored, or a dataset with an attribute `ids`."
        )
    positions = positions_of(ids, table["id"])
    missing = np.flatnonzero(positions < 0)
    if len(missing) or not len(positions):
        raise DataError(
            f"{run.folder} has {len(positions) - len(missing):,} of the {len(positions):,} rows of "
            f"the dataset. It has no {first_few([ids[int(row)] for row in missing])}, but "
            f"{first_few(table['id'][:3].to_pylist())}. Give the dataset that was scored, a part "
            f"of it, or one whose attribute `ids` has the same names."
        )
    return np.arange(len(positions)), positions


def _replica_of_process(num_replicas: int | None, rank: int | None) -> tuple[int, int]:
    """Return the rank of this process and the number of processes."""
    is_distributed = distributed.is_available() and distributed.is_initialized()
    if num_replicas is not None and num_replicas < 1:
        raise ResultError(f"num_replicas={num_replicas}: expected at least 1.")
    if num_replicas is not None and num_replicas > 1 and rank is None and not is_distributed:
        raise ResultError(
            f"num_replicas={num_replicas}, but the rank of this process is unknown, because "
            f"torch.distributed is not initialised. Give rank."
        )
    if num_replicas is None:
        num_replicas = distributed.get_world_size() if is_distributed else 1
    if rank is None:
        rank = distributed.get_rank() if is_distributed and num_replicas > 1 else 0
    if not 0 <= rank < num_replicas:
        raise ResultError(f"rank={rank}: expected 0 to {num_replicas - 1}, of {num_replicas}.")
    return rank, num_replicas


def _as_plain(value: Any) -> Any:
    return "a function" if callable(value) else value
