"""Mutated checkpoints of TensorFlow: flipped, cut, swapped; some with checksums that are right."""

import random
import shutil
from pathlib import Path

from bundle_files import Table
from vog.checkpoints import Reader
from vog.checkpoints.readers.crc32c import masked_crc32c
from vog.checkpoints.readers.leveldb_table import MAGIC, read_table
from vog.errors import CheckpointError

WRITTEN = Path(__file__).parent / "checkpoints/tensorflow"
NAMES = ("one-1", "three-1", "five-1", "partitioned-1", "network-1", "objects-1")


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return bytes of which a few are other ones, or some are gone, doubled or added."""
    content = bytearray(data)
    for _ in range(draw.choice([1, 1, 1, 2, 8])):
        at = draw.randrange(len(content)) if content else 0
        kind = draw.choice(["flip", "flip", "flip", "byte", "cut", "remove", "double", "number"])
        if kind == "flip" and content:
            content[at] ^= 1 << draw.randrange(8)
        elif kind == "byte" and content:
            content[at] = draw.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == "cut":
            del content[at:]
        elif kind == "remove":
            del content[at : at + draw.randrange(1, 9)]
        elif kind == "double":
            content[at:at] = content[at : at + draw.randrange(1, 40)]
        else:
            content[at:at] = b"\xff" * draw.randrange(1, 10) + b"\x01"
    return bytes(content)


def with_right_checksums(data: bytes, draw: random.Random) -> bytes:
    """Return a table of which one value or key is mutated, all checksums being right."""
    items = read_table(data)
    key = draw.choice(sorted(items))
    if draw.random() < 0.8:
        items[key] = mutated(items[key], draw)
    else:
        items[mutated(key, draw)] = items.pop(key)
    return Table(draw.choice([1, 2, 16]), draw.choice([1, 3, 100])).write(items)


def with_mutated_block(data: bytes, draw: random.Random) -> bytes:
    """Return a table whose first block is mutated at equal length, with its checksum right."""
    items = read_table(data)
    size = len(Table().block(items))
    block = mutated(data[:size], draw)[:size].ljust(size, b"\0") + b"\0"
    return block + masked_crc32c(block).to_bytes(4, "little") + data[size + 5 :]


def outcome(seed: int, folder: Path) -> str:
    """Return how reading a mutated checkpoint ends: `equal`, `refused`, or `values` that differ."""
    draw = random.Random(seed)
    name = NAMES[seed % len(NAMES)]
    folder.mkdir(parents=True)
    for path in WRITTEN.glob(f"{name}.*"):
        shutil.copy(path, folder)
    whole = {key: repr(value) for key, value in Reader(weights="")(folder / name).items()}
    kind = draw.choice(["index", "data", "table", "block"])
    index = folder / f"{name}.index"
    target = draw.choice(sorted(folder.glob("*.data-*"))) if kind == "data" else index
    data = target.read_bytes()
    assert data.endswith(MAGIC) == (kind != "data")
    how = {"table": with_right_checksums, "block": with_mutated_block}.get(kind, mutated)
    target.write_bytes(how(data, draw))
    try:
        weights = Reader(weights="")(index)
    except CheckpointError as error:
        return "refused" if str(error).startswith("checkpoint ") else str(error)
    finally:
        shutil.rmtree(folder)
    shown = {key: repr(value) for key, value in weights.items()}
    # With right checksums an index may name other variables, which is no damage.
    return "equal" if shown == whole else f"values of {kind}"
