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
    from vog.analysis.combination import combine as combine
    from vog.analysis.combined_folds import combine_folds as combine_folds
    from vog.analysis.comparison import compare as compare
    from vog.analysis.detection import verify as verify
    from vog.analysis.label_agreement import label_agreement as label_agreement
    from vog.analysis.overview import analyze as analyze
    from vog.analysis.selection import select as select
    from vog.analysis.suspects import suspects as suspects
    from vog.callbacks.sampler import sampler as sampler
    from vog.data.folds.read import fold as fold
    from vog.data.folds.write import folds as folds
    from vog.data.planting import plant as plant
    from vog.exports import export as export
    from vog.figures.report import charts_of as charts
    from vog.figures.report import report as report
    from vog.result import Run as Run
    from vog.result import open_run as open
    from vog.sweep import score as score

# What needs torch or pyarrow is imported when it is first used: `import vog` must not wait.
_LATER = {
    "Run": ("vog.result", "Run"),
    "analyze": ("vog.analysis.overview", "analyze"),
    "charts": ("vog.figures.report", "charts_of"),
    "combine": ("vog.analysis.combination", "combine"),
    "compare": ("vog.analysis.comparison", "compare"),
    "combine_folds": ("vog.analysis.combined_folds", "combine_folds"),
    "export": ("vog.exports", "export"),
    "fold": ("vog.data.folds.read", "fold"),
    "folds": ("vog.data.folds.write", "folds"),
    "label_agreement": ("vog.analysis.label_agreement", "label_agreement"),
    "open": ("vog.result", "open_run"),
    "plant": ("vog.data.planting", "plant"),
    "report": ("vog.figures.report", "report"),
    "sampler": ("vog.callbacks.sampler", "sampler"),
    "score": ("vog.sweep", "score"),
    "select": ("vog.analysis.selection", "select"),
    "suspects": ("vog.analysis.suspects", "suspects"),
    "verify": ("vog.analysis.detection", "verify"),
}
__all__ = [
    "Run",
    "VogError",
    "analyze",
    "charts",
    "combine",
    "combine_folds",
    "compare",
    "export",
    "fold",
    "folds",
    "label_agreement",
    "open",
    "plant",
    "report",
    "sampler",
    "score",
    "select",
    "suspects",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "exports":  # `vog.exports.add_columns`, with nothing imported before
        return import_module("vog.exports")
    if name not in _LATER:
        raise AttributeError(f"module 'vog' has no attribute {name!r}")
    module, attribute = _LATER[name]
    return getattr(import_module(module), attribute)
