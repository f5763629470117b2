"""The order in which the rows of a run are drawn, epoch by epoch; a state of it can be saved."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from vog.errors import DataError, ResultError, first_few
from vog.training.schedules import (
    Positions,
    Schedule,
)


class RunSampler(Sampler[int]):
    """The row numbers for one process; made by `curriculum_sampler` and `weighted_sampler`."""

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
