"""Sentences of the text demo: what the documentation of installed packages says, by its topic.

Each sentence stands in a docstring of NumPy, SciPy, scikit-learn or PyTorch, which are installed
with this package. The sub-package that it comes from is its topic.
"""

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_TOPICS: Mapping[str, Sequence[str]] = {
    "linear algebra": ("scipy.linalg", "scipy.sparse", "numpy.linalg"),
    "machine learning": (
        "sklearn.cluster",
        "sklearn.decomposition",
        "sklearn.ensemble",
        "sklearn.feature_extraction",
        "sklearn.linear_model",
        "sklearn.metrics",
        "sklearn.model_selection",
        "sklearn.neighbors",
        "sklearn.preprocessing",
        "sklearn.svm",
        "sklearn.tree",
    ),
    "neural networks": ("torch.nn", "torch.optim"),
    "signals and images": ("scipy.signal", "scipy.ndimage", "scipy.fft"),
    "statistics": ("scipy.stats", "torch.distributions"),
}
TOPICS = tuple(_TOPICS)
_FEWEST_WORDS, _MOST_WORDS = 6, 40
_HEADINGS = "Parameters|Args|Returns|Examples|References|See Also|Notes|Attributes|Methods|Shape"
_AFTER_INTRODUCTION = re.compile(rf"\n\s*({_HEADINGS})\s*:?\s*\n")
_SENTENCE = re.compile(r"[A-Z][\w\s.,;:'\"()`/*-]+\.")


def sentences_by_topic() -> dict[str, list[str]]:
    """Return sentences by topic, in the order of the files; none of them stands in two topics."""
    topics = {topic: dict.fromkeys(_sentences(names)) for topic, names in _TOPICS.items()}
    times: dict[str, int] = {}
    for sentences in topics.values():
        for sentence in sentences:
            times[sentence] = times.get(sentence, 0) + 1
    return {topic: [s for s in sentences if times[s] == 1] for topic, sentences in topics.items()}


def _sentences(packages: Sequence[str]) -> Iterator[str]:
    for package in packages:
        for file in sorted(_folder(package).rglob("*.py")):
            if "tests" not in file.parts:
                yield from sentences_in(file.read_text("utf-8"))


def sentences_in(code: str) -> Iterator[str]:
    """Yield the sentences in the introductions of public docstrings of a Python file."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        introduction = _AFTER_INTRODUCTION.split(ast.get_docstring(node) or "")[0]
        for paragraph in re.split(r"\n\s*\n", introduction):
            for text in re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(paragraph.split())):
                words = re.findall(r"[A-Za-z]+", text)
                is_plain = "::" not in text and ":math" not in text and _SENTENCE.fullmatch(text)
                if is_plain and _FEWEST_WORDS <= len(words) <= _MOST_WORDS:
                    yield text


def _folder(package: str) -> Path:
    """Return the folder of a package, which is not imported for it."""
    name, *rest = package.split(".")
    spec = importlib.util.find_spec(name)
    assert spec is not None, "a package that vog needs"
    return Path(next(iter(spec.submodule_search_locations or ()))).joinpath(*rest)
