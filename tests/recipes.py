"""The recipes of docs/frameworks.md: a file with a network, and the end of a training loop."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PAGE = Path(__file__).resolve().parents[1] / "docs" / "frameworks.md"


def section(title: str) -> str:
    """Return the text of the section of a framework."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1]
    return text.split("\n## ")[0]


def recipes(title: str) -> list[tuple[str, str, str]]:
    """Return for each recipe of a section the file, its code, and that of the training loop."""
    blocks = re.findall(r"```python\n# (.*?)\n(.*?)```", section(title), re.DOTALL)
    return [
        (file, code, blocks[number + 1][1])
        for number, (file, code) in enumerate(blocks)
        if file.endswith(".py")
    ]


def command(title: str) -> list[str]:
    """Return the words after `vog` in the command of a section."""
    (line,) = re.findall(r"^    vog (score .*)$", section(title), re.MULTILINE)
    return line.replace("'", "").split()


def begin(
    file: str, code: str, shape: Sequence[int] = (16, 16, 3)
) -> tuple[np.ndarray, np.ndarray]:
    """Write the file, the folder and the data of a recipe here, and return images and labels."""
    Path(file).write_text(code, encoding="utf-8")
    Path("runs/a").mkdir(parents=True)
    images = np.random.default_rng(0).normal(size=(20, *shape)).astype(np.float32)
    labels = np.arange(20) % 10
    np.savez("digits.npz", images=images, labels=labels)
    return images, labels
