"""The weights of all checkpoints, in training order: held in memory, or read for each block."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vog import checkpoints
from vog.checkpoints import CheckpointFile, Reader
from vog.data import Batch
from vog.errors import CheckpointError, ModelError, first_few
from vog.models import Model, Weights
from vog.models.torch import memory
from vog.progress import progress
from vog.wording import option

# Copies alive at once: the last checkpoint, the current one, and the next in three forms.
STREAMED_COPIES = 5
# Examples whose logits are computed under every checkpoint.
_SAMPLE_SIZE = 4
Stamp = tuple[int, int]  # size in bytes, and time of the last change


@dataclass(frozen=True)
class Held:
    """Weights of all checkpoints, in memory."""

    weights: tuple[Weights, ...]

    @property
    def last(self) -> Weights:
        """The weights of the last checkpoint."""
        return self.weights[-1]

    @property
    def nbytes(self) -> int:
        """Bytes of all checkpoints together."""
        return sum(nbytes(weights) for weights in self.weights)

    def each(self) -> Iterator[Weights]:
        """Return an iterator over the checkpoints in training order."""
        return iter(self.weights)


@dataclass(frozen=True)
class Streamed:
    """Weights read from files: the next while the current are used. Only the last are held."""

    files: tuple[CheckpointFile, ...]
    stamps: tuple[Stamp | None, ...]
    model: Model
    last: Weights
    reader: Reader

    @classmethod
    def from_files(
        cls, files: Sequence[CheckpointFile], model: Model, last: Weights, reader: Reader
    ) -> "Streamed":
        """Return the weights in these files, which must not change from now on."""
        return cls(tuple(files), tuple(_stamp(file.path) for file in files), model, last, reader)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights that are in memory at one time."""
        return STREAMED_COPIES * nbytes(self.last)

    def each(self) -> Iterator[Weights]:
        """Yield the checkpoints in training order.

        Raises:
            CheckpointError: a file is gone or was changed since it was first read.
        """
        if not self.model.can_fit_concurrently:
            yield from map(self._read, range(len(self.files)))
            return
        with ThreadPoolExecutor(1) as reader:
            pending = reader.submit(self._read, 0)
            for checkpoint in range(1, len(self.files)):
                weights = pending.result()
                pending = reader.submit(self._read, checkpoint)
                yield weights
            yield pending.result()

    def _read(self, checkpoint: int) -> Weights:
        path = self.files[checkpoint].path
        if _stamp(path) != self.stamps[checkpoint]:
            raise CheckpointError(
                f"checkpoint {path} was changed or removed while the run was going on. Finished "
                f"rows are kept: restore the file, then start the same run again to continue."
            )
        return self.model.ready(self.model.fit(self.reader(path), str(path)))


AllWeights = Held | Streamed


class StateBesideWeightsError(ModelError):
    """Loading a checkpoint changes more of the model than its tensors."""


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
    reader: Reader,
    sample: Batch | None = None,
) -> ReadWeights:
    """Read the weights of all checkpoints, and compare the logits of a few examples under each.

    Args:
        files: the checkpoints in training order.
        model: the model that they are matched to.
        hold: whether the weights of all checkpoints stay in memory.
        quiet: show no progress.
        reader: reads the files.
        sample: the examples; None if the logits were compared before.

    Raises:
        CheckpointError: a checkpoint cannot be read, does not fit, or equals another.
        StateBesideWeightsError: loading changes more of the model than tensors.
        ModelError: all checkpoints give the same logits.
    """
    held: list[Weights] = []
    path_by_digest: dict[str, Path] = {}
    logits: list[Tensor] = []
    key_by_path: dict[Path, str] = {}
    settings: object = None
    with (
        progress("reading checkpoints", len(files), 0, quiet) as advance,
        memory.map_large_tensors(),
        model.evaluation_mode(),
    ):
        for file in files:
            contents = reader.contents(file.path)
            key_by_path[file.path] = contents.key
            checkpoints.refuse_mixed_keys(key_by_path)
            extra_state = model.extra_state(contents.weights, str(file.path))
            refuse_foreign_objects(extra_state, file.path)
            if extra_state and not model.can_fit_concurrently:
                raise StateBesideWeightsError(f"{file.path} has more than tensors.")
            fitted = model.fit(contents.weights, str(file.path))
            if file is not files[0] and model.settings() != settings:
                raise StateBesideWeightsError(f"{file.path} changes more than tensors.")
            settings = model.settings()
            _refuse_equal({**fitted, **extra_state}, file.path, path_by_digest)
            ready = model.ready(fitted)
            if sample is not None:
                logits.append(_sample_logits(model, ready, sample))
            if hold or file is files[-1]:
                held.append(ready)
            advance(1)
    notes = _note_same_logits(files, logits)
    weights = Held(tuple(held)) if hold else Streamed.from_files(files, model, held[-1], reader)
    return ReadWeights(weights, tuple(path_by_digest), notes)


def refuse_foreign_objects(extra_state: Mapping[str, Any], path: Path) -> None:
    """Raise CheckpointError if an extra state holds an object that our readers do not create.

    Creating an object of a class that only the file names would execute code.
    """
    for key, value in extra_state.items():
        kind = checkpoints.stand_in_name(value)
        if kind is not None:
            raise CheckpointError(
                f"checkpoint {path}: {key} holds an object of {kind}, which reading would have to "
                f"execute. Pass {option('read', 'file.py:function')}, which creates it."
            )


def _sample_logits(model: Model, weights: Weights, sample: Batch) -> Tensor:
    device_inputs = model.place(sample.inputs[:_SAMPLE_SIZE])
    with model.observe(weights, device_inputs, differentiate=False) as outputs:
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


def _refuse_equal(fitted: Mapping[str, Any], path: Path, path_by_digest: dict[str, Path]) -> None:
    """Record the digest of the weights; raise CheckpointError if another file has it."""
    digest = checkpoints.weights_digest(
        {key: tensor for key, tensor in fitted.items() if not key.endswith("num_batches_tracked")}
    )
    if digest in path_by_digest:
        raise CheckpointError(
            f"{path_by_digest[digest]} and {path} hold equal weights: nothing was "
            f"learned between them, and every spread would be too small. Leave one of them out."
        )
    path_by_digest[digest] = path


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def nbytes(weights: Weights) -> int:
    """Return the bytes of one checkpoint."""
    return sum(map(_tensor_nbytes, weights.values()))


def _tensor_nbytes(value: Tensor) -> int:
    """Return the bytes of a tensor; approximate for a sparse one."""
    if value.layout is torch.strided:
        return value.nbytes
    if value.layout is torch.sparse_coo:
        return value._indices().nbytes + value._values().nbytes
    return 3 * value.values().nbytes  # indices are integers of eight bytes
