"""Finds the hard, the odd and the wrong examples of a dataset, from a training run's checkpoints.

import vog

run = vog.score(model, "runs/a/step-*.pt", dataset, out="scores/a")
run.top(25, by="vog@late:class", label="magpie")
run.table()
run = vog.open("scores/a")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vog.errors import VogError as VogError

if TYPE_CHECKING:
    from vog.analysis.overview import analyze as analyze
    from vog.result import Run as Run
    from vog.result import open_run as open
    from vog.sweep import score as score

# What needs torch or pyarrow is imported when it is first used: `import vog` must not wait.
_LATER = {
    "Run": ("vog.result", "Run"),
    "analyze": ("vog.analysis.overview", "analyze"),
    "open": ("vog.result", "open_run"),
    "score": ("vog.sweep", "score"),
}
__all__ = ["Run", "VogError", "analyze", "open", "score"]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'vog' has no attribute {name!r}")
    module, attribute = _LATER[name]
    return getattr(import_module(module), attribute)
