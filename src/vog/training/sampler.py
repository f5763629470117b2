"""A sampler for a training loop: easy rows first, or each row by its weight."""

import hashlib
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch import distributed
from torch.utils.data import Sampler

from vog.data.datasets import ids_of
from vog.data.examples import RowNumbers
from vog.errors import DataError, ResultError, first_few, unknown
from vog.result import Run
from vog.result.ids import positions_of
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


_SETTINGS_OF_ORDER = {
    "curriculum": ("epochs", "pacing", "start", "balanced"),
    "weighted": ("weights", "temperature", "floor", "num_samples"),
}


def sampler(
    run: Run,
    dataset: Any = None,
    *,
    order: str = "curriculum",
    by: str | None = None,
    reverse: bool = False,
    epochs: int | None = None,
    pacing: Pacing = "linear",
    start: float = 0.2,
    balanced: bool = False,
    weights: str = "hardness",
    temperature: float = 1.0,
    floor: float = 0.1,
    num_samples: int | None = None,
    seed: int = 0,
    num_replicas: int | None = None,
    rank: int | None = None,
    drop_last: bool = False,
) -> "RunSampler":
    """Return a sampler for `DataLoader(dataset, sampler=...)`; call `set_epoch` before each epoch.

    `order="curriculum"`: each epoch has the easiest share of the rows, shuffled. The share begins
    with `start` and is 1 after `epochs`. `order="weighted"`: each epoch has `num_samples` rows,
    drawn with replacement; a row with weight 2 is drawn twice as often as one with weight 1.

    Args:
        run: the run that gives the hardness of each example.
        dataset: the map-style dataset to draw from, a part of the scored data in any order. Its
            ids are looked up in the run. By default row numbers are those of the scored data.
        order: `curriculum` or `weighted`.
        by: the column of the hardness; by default `run.default_column`. Rows without a value come
            last, or have the mean weight.
        reverse: hard rows first, or easy rows more often.
        epochs: (curriculum) the number of epochs after which all rows are drawn. Required.
        pacing: (curriculum) `linear`; `root` (Platanios et al., NAACL 2019); `step`, all rows from
            half of the epochs on, or `exponential`, with the same growth factor each epoch (Hacohen
            and Weinshall, ICML 2019); or a function from progress in [0, 1) to the position of the
            share between `start` (0) and 1 (1).
        start: (curriculum) the share in epoch 0, in (0, 1].
        balanced: (curriculum) take the same share of each class, so that class proportions stay.
        weights: (weighted) `hardness`, the rank by `by` in [0, 1], or `label`, the probability
            that the label is right, by `vog.suspects`.
        temperature: (weighted) above 0; x becomes x ** (1 / temperature): near 0 only the largest
            are drawn, and with infinity all rows equally often.
        floor: (weighted) the smallest weight, where the largest is 1, in (0, 1].
        num_samples: (weighted) rows an epoch over all replicas; by default the number of rows.
        seed: the same seed and epoch give the same rows in every process.
        num_replicas: the number of processes that share the rows; by default that of
            torch.distributed if it is initialised, else 1. Give 1 where something else, such as
            accelerate, splits the batches between processes. With Lightning, give the Trainer
            `use_distributed_sampler=False`, and make the sampler in `train_dataloader`.
        rank: the number of this process, from 0.
        drop_last: leave out the last rows if they cannot be shared evenly; by default the first
            rows are drawn again, as `DistributedSampler` does.

    Raises:
        ResultError: a setting is invalid or belongs to the other order; or there is no such column.
        DataError: the dataset has rows that the run does not have.
    """
    args = dict(locals())
    _check_arguments(args)
    rows, positions = _match_rows(run, dataset)
    schedule: Schedule
    if order == "curriculum":
        shares = epoch_shares(epochs, pacing, start)
        labels = run.table(["label"])["label"].fill_null(-1).to_numpy()[positions]
        first = entry_order(run, positions, by or run.default_column, reverse, seed)
        schedule = Curriculum(entry_shares(first, labels if balanced else 0 * labels), shares)
    else:
        base = base_weights(run, weights, by)[positions]
        probs = draw_probabilities(1 - base if reverse else base, temperature, floor)
        schedule = Weighted(probs, len(rows) if num_samples is None else num_samples)
    config = {name: args[name] for name in ("order", "by", "reverse", "seed", "drop_last")}
    config |= {name: _as_plain(args[name]) for name in _SETTINGS_OF_ORDER[order]}
    return RunSampler(rows, schedule, config, _replica_of_process(num_replicas, rank))


class RunSampler(Sampler[int]):
    """A sampler that yields row numbers for one process; see `sampler`."""

    def __init__(
        self,
        rows: Positions,
        schedule: Schedule,
        config: Mapping[str, Any],
        replica: tuple[int, int],
    ) -> None:
        """Make a sampler of these rows.

        Args:
            rows: row numbers in the dataset.
            schedule: which rows an epoch has, as positions in `rows`.
            config: the settings, among them `seed` and `drop_last`.
            replica: rank of this process, and number of processes.
        """
        self.epoch = 0
        self._rows, self._schedule = rows, schedule
        self._rank, self._replicas = replica
        digest = hashlib.sha256(rows.tobytes() + schedule.identity()).hexdigest()
        self._config = {**config, "num_replicas": self._replicas, "digest": digest}
        self._yielded = self._resume_at = 0
        self._finished: int | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the next epoch, from 0; if it is the current one, a loaded state is resumed."""
        if epoch != self.epoch:
            self._yielded = self._resume_at = 0
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of rows that this process has in the whole epoch."""
        return self._rows_in(self.epoch)

    def _rows_in(self, epoch: int) -> int:
        count = self._schedule.count(epoch)
        return count // self._replicas if self._config["drop_last"] else -(-count // self._replicas)

    def __iter__(self) -> Iterator[int]:
        """Yield the row numbers of the epoch, or those that a loaded state has left of it."""
        start, self._resume_at = self._resume_at, 0
        if start == 0 and self._finished == self.epoch:
            warnings.warn(
                f"epoch {self.epoch} is drawn again: call sampler.set_epoch(epoch) before each.",
                stacklevel=2,
            )
        self._yielded = start
        return self._walk(start, self._rows_of_replica())

    def _walk(self, start: int, rows: Positions) -> Iterator[int]:
        for position in range(start, len(rows)):
            self._yielded = position + 1
            yield int(rows[position])
        self._finished = self.epoch

    def _rows_of_replica(self) -> Positions:
        random = np.random.default_rng([self._config["seed"], self.epoch])
        rows = self._rows[self._schedule.draw(self.epoch, random)]
        return np.resize(rows, len(self) * self._replicas)[self._rank :: self._replicas]

    def state_dict(self, yielded: int | None = None) -> dict[str, Any]:
        """Return the state of the epoch, with everything that determines the rest of it.

        Args:
            yielded: number of rows of the epoch that this process has trained with, cut to its
                length; by default the number of rows given out. A DataLoader with workers reads
                ahead, so that is too many: give batches times batch size, or use torchdata's
                StatefulDataLoader, which keeps the state of the batches it has returned.

        Raises:
            ResultError: `yielded` is negative.
        """
        count = self._yielded if yielded is None else min(yielded, len(self))
        if count < 0:
            raise ResultError(f"yielded={yielded!r}: expected a number of rows, from 0.")
        return {"epoch": self.epoch, "yielded": count, "asked": dict(self._config)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state, which may be saved by another rank of the same replicas.

        Raises:
            ResultError: the state is incomplete, or of a different run, dataset, seed or setting.
            DataError: it has more rows than the epoch.
        """
        if not {"epoch", "yielded", "asked"} <= state.keys():
            raise ResultError(
                f"the state has {first_few(list(state)) or 'nothing'}; expected what "
                f"sampler.state_dict() returned."
            )
        saved = state["asked"]
        changed = [
            f"{name} was {saved.get(name)!r}, is now {current!r}"
            for name, current in self._config.items()
            if saved.get(name) != current and name != "digest"
        ]
        if saved.get("digest") != self._config["digest"]:
            changed = changed or ["the run, or the rows of the dataset, differ"]
        if changed:
            raise ResultError(
                f"the state is of another sampler: {'; '.join(changed)}. Make the sampler with the "
                f"settings it had when the state was saved."
            )
        epoch, count = state["epoch"], state["yielded"]
        rows = self._rows_in(epoch)
        if not 0 <= count <= rows:
            raise DataError(f"the state has yielded {count} rows; an epoch has {rows:,} here.")
        # A StatefulDataLoader loads its state when it is iterated, which is after `set_epoch`.
        if count == rows and self.epoch == epoch + 1:
            epoch, count = self.epoch, 0
        self.epoch, self._finished = epoch, None
        self._yielded = self._resume_at = count


def _check_arguments(args: Mapping[str, Any]) -> None:
    """Raise ResultError unless each setting is valid and belongs to the order."""
    order, seed = args["order"], args["seed"]
    if order not in _SETTINGS_OF_ORDER:
        raise ResultError(f"there is no order {order!r}.{unknown(order, _SETTINGS_OF_ORDER)}")
    defaults = {name: spec.default for name, spec in inspect.signature(sampler).parameters.items()}
    for owner, names in _SETTINGS_OF_ORDER.items():
        stray = [name for name in names if owner != order and args[name] != defaults[name]]
        if stray:
            raise ResultError(f"{stray[0]} only works with order={owner!r}, not with {order!r}.")
    by_label = order == "weighted" and args["weights"] == "label"
    if by_label and args["by"] is not None:
        raise ResultError(f"by={args['by']!r} only works with weights='hardness', not 'label'.")
    if args["weights"] not in WEIGHTS:
        raise ResultError(
            f"there are no weights {args['weights']!r}.{unknown(args['weights'], WEIGHTS)}"
        )
    count = args["num_samples"]
    checks = {
        f"seed={seed!r}: expected a whole number from 0": seed >= 0,
        f"start={args['start']!r}: expected a share in (0, 1]": 0 < args["start"] <= 1,
        f"floor={args['floor']!r}: expected a weight in (0, 1]": 0 < args["floor"] <= 1,
        f"temperature={args['temperature']!r}: expected above 0": args["temperature"] > 0,
        f"num_samples={count!r}: expected at least 1": count is None or count >= 1,
    }
    for message, is_valid in checks.items():
        if not is_valid:
            raise ResultError(f"{message}.")


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
