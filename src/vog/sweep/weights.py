"""The weights of all checkpoints, in training order: held in memory, or read again and again."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vog import checkpoints
from vog.checkpoints import CheckpointFile, Reader
from vog.errors import CheckpointError
from vog.models import Model, Weights, memory
from vog.progress import progress

# The last, one in use, and the next: as the file has it, matched, and made ready.
STREAMED = 5
Stamp = tuple[int, int]  # size in bytes, and time of the last change


@dataclass(frozen=True)
class Held:
    """All of them in memory."""

    weights: tuple[Weights, ...]

    @property
    def last(self) -> Weights:
        """Of the last checkpoint."""
        return self.weights[-1]

    @property
    def nbytes(self) -> int:
        """Of all checkpoints together."""
        return sum(nbytes(one) for one in self.weights)

    def each(self) -> Iterator[Weights]:
        """One checkpoint after the other."""
        return iter(self.weights)


@dataclass(frozen=True)
class Streamed:
    """One in use and the next being read meanwhile; only the last checkpoint stays."""

    files: tuple[CheckpointFile, ...]
    stamps: tuple[Stamp | None, ...]
    model: Model
    last: Weights
    reader: Reader

    @classmethod
    def of(
        cls, files: Sequence[CheckpointFile], model: Model, last: Weights, reader: Reader
    ) -> "Streamed":
        """The weights in files that were not changed from now on."""
        return cls(tuple(files), tuple(_stamp(file.path) for file in files), model, last, reader)

    @property
    def nbytes(self) -> int:
        """Of those that are in memory at one time."""
        return STREAMED * nbytes(self.last)

    def each(self) -> Iterator[Weights]:
        """One checkpoint after the other.

        Raises:
            CheckpointError: a file is gone or was changed since it was first read.
        """
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self._read, 0)
            for following in range(1, len(self.files)):
                weights = ahead.result()
                ahead = reader.submit(self._read, following)
                yield weights
            yield ahead.result()

    def _read(self, checkpoint: int) -> Weights:
        path = self.files[checkpoint].path
        if _stamp(path) != self.stamps[checkpoint]:
            raise CheckpointError(
                f"checkpoint {path} was changed or removed while the run was going on. Rows that "
                f"are finished are kept; bring the file back and run the same command again."
            )
        return self.model.ready(self.model.fit(self.reader(path), str(path)))


AllWeights = Held | Streamed


def read_all(
    files: Sequence[CheckpointFile], model: Model, hold: bool, quiet: bool, reader: Reader
) -> tuple[AllWeights, list[str]]:
    """The weights of all checkpoints, and their digests as they were matched to the model.

    Args:
        files: in the order of training.
        model: what they are matched to.
        hold: whether all of them stay in memory.
        quiet: no progress.
        reader: reads them.

    Raises:
        CheckpointError: one cannot be read, does not fit, or equals another.
    """
    held: list[Weights] = []
    found: dict[str, Path] = {}
    keys: dict[Path, str] = {}
    with progress("reading checkpoints", len(files), 0, quiet) as advance, memory.mapped():
        for file in files:
            contents = reader.contents(file.path)
            keys[file.path] = contents.key
            checkpoints.refuse_mixed(keys)
            fitted = model.fit(contents.weights, str(file.path))
            _refuse_equal(fitted, file.path, found)
            if hold or file is files[-1]:
                held.append(model.ready(fitted))
            advance(1)
    if hold:
        return Held(tuple(held)), list(found)
    return Streamed.of(files, model, held[-1], reader), list(found)


def _refuse_equal(fitted: Weights, path: Path, found: dict[str, Path]) -> None:
    """Add the digest of the weights to those that were found, if it is not among them."""
    digest = checkpoints.digest(
        {k: v for k, v in fitted.items() if not k.endswith("num_batches_tracked")}
    )
    if digest in found:
        raise CheckpointError(
            f"{found[digest]} and {path} hold equal weights, so nothing was learned between them "
            f"and every spread would be too small. Leave one of them out."
        )
    found[digest] = path


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def nbytes(weights: Weights) -> int:
    """Of one checkpoint."""
    return sum(value.nbytes for value in weights.values())
