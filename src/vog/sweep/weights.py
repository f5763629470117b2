"""The weights of all checkpoints, in training order: held in memory, or read for each block."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from vog import checkpoints, host_memory
from vog.checkpoints import CheckpointFile, Stamp, stamp
from vog.data import Batch
from vog.errors import CheckpointError, ModelError, first_few
from vog.models.protocol import Model, StateBesideWeightsError, Weights
from vog.progress import progress
from vog.wording import option

# Copies alive at once: the last checkpoint, the current one, and the next in three forms.
STREAMED_COPIES = 5
# Examples whose logits are computed under every checkpoint.
_SAMPLE_SIZE = 4


@dataclass(frozen=True)
class WeightFiles:
    """The files of checkpoints and the model that reads them; the files must not change.

    Attributes:
        stamps: of each file, when it was first read.
    """

    files: tuple[CheckpointFile, ...]
    stamps: tuple[Stamp | None, ...]
    model: Model

    @classmethod
    def now(cls, files: Sequence[CheckpointFile], model: Model) -> "WeightFiles":
        """Return the files as they are now."""
        return cls(tuple(files), tuple(stamp(file.path) for file in files), model)

    def read(self, checkpoint: int, digest: str | None = None) -> Weights:
        """Return the weights of one checkpoint.

        Args:
            checkpoint: its number.
            digest: of the weights, as the process that sent the model matched them.

        Raises:
            CheckpointError: a file is gone or was changed since it was first read.
            ModelError: the model does not match the file as it did where it came from.
        """
        path = self.files[checkpoint].path
        if stamp(path) != self.stamps[checkpoint]:
            raise CheckpointError(
                f"checkpoint {path} was changed or removed while the run was going on. Finished "
                f"rows are kept: restore the file, then start the same run again to continue."
            )
        fitted = self.model.read(path)
        if digest is not None and self.model.digest(fitted) != digest:
            raise ModelError(
                f"the model that this process received reads {path} in another way than the "
                f"process that sent it: it holds values that are in no checkpoint and were not "
                f"sent. Give a function that builds it as {option('model')}."
            )
        return self.model.ready(fitted)


@dataclass(frozen=True)
class AllWeights:
    """The weights of all checkpoints: held in memory, or read from files for each block.

    They are sent to another process without weights, which `loaded` reads there.

    Attributes:
        source: the files.
        hold: all are held; otherwise only the last, and the next is read while one is used.
        held: the weights in memory, ready for observing; empty in a process that received them.
    """

    source: WeightFiles
    hold: bool
    held: tuple[Weights, ...] = ()

    @property
    def last(self) -> Weights:
        """The weights of the last checkpoint."""
        return self.held[-1]

    @property
    def nbytes(self) -> int:
        """Bytes of the weights that are in memory at one time."""
        held_bytes = sum(map(self.source.model.nbytes, self.held))
        return held_bytes if self.hold else STREAMED_COPIES * held_bytes

    def each(self) -> Iterator[Weights]:
        """Return an iterator over the checkpoints in training order.

        Raises:
            CheckpointError: a file is gone or was changed since it was first read.
        """
        return iter(self.held) if self.hold else self._stream()

    def _stream(self) -> Iterator[Weights]:
        count = len(self.source.files)
        if not self.source.model.reads_concurrently:
            yield from map(self.source.read, range(count))
            return
        with ThreadPoolExecutor(1) as reader:
            pending = reader.submit(self.source.read, 0)
            for checkpoint in range(1, count):
                weights = pending.result()
                pending = reader.submit(self.source.read, checkpoint)
                yield weights
            yield pending.result()

    def loaded(self, digests: Sequence[str]) -> "AllWeights":
        """Return the weights with those in memory that belong there.

        Args:
            digests: of all checkpoints, as they were matched where they were first read.

        Raises:
            CheckpointError: a file is gone or was changed since it was first read.
            ModelError: the model does not match a file as it did there.
        """
        if self.held:
            return self
        count = len(self.source.files)
        wanted = range(count) if self.hold else range(count - 1, count)
        with host_memory.map_large_tensors():
            return replace(
                self, held=tuple(self.source.read(index, digests[index]) for index in wanted)
            )

    def __reduce__(self) -> tuple[type["AllWeights"], tuple[WeightFiles, bool]]:
        return AllWeights, (self.source, self.hold)


@dataclass(frozen=True)
class ReadWeights:
    """The weights of all checkpoints, with digests and notes from reading them.

    Attributes:
        digests: the digest of each checkpoint, as it was matched to the model.
        notes: sentences for the plan, by the word that introduces them.
    """

    weights: AllWeights
    digests: tuple[str, ...]
    notes: Mapping[str, str]


def read_all(
    files: Sequence[CheckpointFile],
    model: Model,
    hold: bool,
    quiet: bool,
    sample: Batch | None = None,
) -> ReadWeights:
    """Read the weights of all checkpoints, and compare the logits of a few examples under each.

    Args:
        files: the checkpoints in training order.
        model: the model that they are matched to.
        hold: whether the weights of all checkpoints stay in memory.
        quiet: show no progress.
        sample: the examples; None if the logits were compared before.

    Raises:
        CheckpointError: a checkpoint cannot be read, does not fit, or equals another.
        StateBesideWeightsError: loading changes more of the model than weights.
        ModelError: all checkpoints give the same logits.
    """
    held: list[Weights] = []
    path_by_digest: dict[str, Path] = {}
    logits: list[Tensor] = []
    place_by_path: dict[Path, str] = {}
    other_state: object = None
    source = WeightFiles.now(files, model)
    with (
        progress("reading checkpoints", len(files), 0, quiet) as advance,
        host_memory.map_large_tensors(),
        model.evaluation_mode(),
    ):
        for file in files:
            fitted = model.read(file.path)
            place_by_path[file.path] = fitted.place
            checkpoints.refuse_mixed_keys(place_by_path)
            if file is not files[0] and fitted.other_state != other_state:
                raise StateBesideWeightsError(f"{file.path} changes more than tensors.")
            other_state = fitted.other_state
            _refuse_equal(model.digest(fitted), file.path, path_by_digest)
            ready = model.ready(fitted)
            if sample is not None:
                logits.append(_sample_logits(model, ready, sample))
            if hold or file is files[-1]:
                held.append(ready)
            advance(1)
    notes = _note_same_logits(files, logits)
    return ReadWeights(AllWeights(source, hold, tuple(held)), tuple(path_by_digest), notes)


def _sample_logits(model: Model, weights: Weights, sample: Batch) -> Tensor:
    placed = model.place(sample.inputs[:_SAMPLE_SIZE])
    with model.observe(weights, placed, differentiate=False) as outputs:
        return outputs.values.cpu()


def _note_same_logits(files: Sequence[CheckpointFile], logits: Sequence[Tensor]) -> dict[str, str]:
    """Return a note on neighbouring checkpoints with the same logits, bit for bit.

    Raises:
        ModelError: all checkpoints give the same logits.
    """
    pairs = [
        f"{earlier.step} and {later.step}"
        for (earlier, later), (earlier_logits, later_logits) in zip(
            itertools.pairwise(files), itertools.pairwise(logits), strict=False
        )
        if torch.equal(earlier_logits, later_logits) and bool(earlier_logits.isfinite().any())
    ]
    if pairs and len(pairs) == len(files) - 1:
        raise ModelError(
            f"the {len(files)} checkpoints hold different weights, and the model gives the same "
            f"logits under each of them, bit for bit: its output depends on no tensor that differs"
            f", and every spread would be 0. The model has to use the weights that it loads."
        )
    if not pairs:
        return {}
    return {
        "same logits": f"at steps {first_few(pairs)}: between them nothing was learned that the "
        f"output depends on (learning rate 0, or another head)"
    }


def _refuse_equal(digest: str, path: Path, path_by_digest: dict[str, Path]) -> None:
    """Record the digest of the weights; raise CheckpointError if another file has it."""
    if digest in path_by_digest:
        raise CheckpointError(
            f"{path_by_digest[digest]} and {path} hold equal weights: nothing was "
            f"learned between them, and every spread would be too small. Leave one of them out."
        )
    path_by_digest[digest] = path
