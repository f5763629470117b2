"""Two versions of the package, swept in turns: is the new one as fast as the old one?

`python benchmarks/versions.py OLD/src NEW/src` prints medians of five pairs. Each version
has a process of its own in each turn, with a bare loop before the sweeps; the first turn warms up.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES, CHECKPOINTS, PAIRS = 256, 3, 5
WAYS = {"sweep, `vog`": "vog", "sweep, default scores": None}


def measure() -> None:
    """Print milliseconds an image and checkpoint of each way, and of the bare loop, as JSON."""
    import torch

    import networks
    import others
    from vog.sweep.loop import sweep
    from vog.sweep.prepare import prepare
    from vog.sweep.request import Request

    network = networks.NETWORKS["ResNet-18, 32 x 32"]
    with tempfile.TemporaryDirectory() as name:
        folder, taken = Path(name), {}
        files = networks.save_checkpoints(network, folder / "c", CHECKPOINTS)
        arrays = networks.data(network, EXAMPLES)
        inputs, labels = map(torch.from_numpy, arrays)
        others.timed(others.bare, network.build, files, inputs[:64], labels[:64], network.batch)
        taken["bare loop"], _ = others.timed(
            others.bare, network.build, files, inputs, labels, network.batch
        )
        for way, scores in WAYS.items():
            begun = time.perf_counter()
            words = {"batch_size": network.batch, "quiet": True, "scores": scores}
            job = prepare(Request(network.build, files, arrays, folder / way, **words))
            taken[f"{way}: until it begins, s"] = time.perf_counter() - begun
            begun = time.perf_counter()
            sweep(job)
            taken[way] = time.perf_counter() - begun
    each = 1000 / (EXAMPLES * CHECKPOINTS)
    made = {way: of if way.endswith(", s") else of * each for way, of in taken.items()}
    sys.stdout.write(json.dumps(made))


def main(versions: list[str]) -> None:
    """Measure both versions in turns, and print a table."""
    found: dict[str, list[dict[str, float]]] = {version: [] for version in versions}
    for turn in range(PAIRS + 1):
        for version in versions:
            path = os.pathsep.join([version, str(HERE), str(HERE.with_name("experiments"))])
            ended = subprocess.run(
                [sys.executable, __file__, "--measure"],
                env={**os.environ, "PYTHONPATH": path},
                capture_output=True,
                text=True,
                check=True,
            )
            if turn:
                found[version].append(json.loads(ended.stdout))
    old, new = (found[version] for version in versions)
    sys.stdout.write(
        "| | old | new | new / old, pair by pair: median (least, most) |\n|---|---|---|---|\n"
    )
    for way in old[0]:
        before, after = [one[way] for one in old], [one[way] for one in new]
        ratios = [b / a for a, b in zip(before, after, strict=True)]
        sys.stdout.write(
            f"| {way} | {statistics.median(before):.2f} | {statistics.median(after):.2f} | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f}, {max(ratios):.2f}) |\n"
        )


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        measure()
    else:
        main(sys.argv[1:3])
