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
    from vog.analysis.detection.planted_faults import verify as verify
    from vog.analysis.label_errors.suspects import suspects as suspects
    from vog.analysis.many_runs.averaging import combine as combine
    from vog.analysis.many_runs.combined_folds import combine_folds as combine_folds
    from vog.analysis.many_runs.comparison import compare as compare
    from vog.analysis.one_run.label_agreement import label_agreement as label_agreement
    from vog.analysis.one_run.overview import analyze as analyze
    from vog.analysis.selection.select import select as select
    from vog.data.folds.fold_dataset import fold as fold
    from vog.data.folds.write_folds import folds as folds
    from vog.exports import export as export
    from vog.planting import plant as plant
    from vog.reporting.page import charts_of as charts
    from vog.reporting.page import report as report
    from vog.result import Run as Run
    from vog.result import open_run as open
    from vog.sweep import score as score
    from vog.training.sampler import curriculum_sampler as curriculum_sampler
    from vog.training.sampler import sampler as sampler
    from vog.training.sampler import weighted_sampler as weighted_sampler

# Imported at first use: torch and pyarrow would make `import vog` slow.
_LATER = {
    "Run": ("vog.result", "Run"),
    "analyze": ("vog.analysis.one_run.overview", "analyze"),
    "charts": ("vog.reporting.page", "charts_of"),
    "combine": ("vog.analysis.many_runs.averaging", "combine"),
    "compare": ("vog.analysis.many_runs.comparison", "compare"),
    "combine_folds": ("vog.analysis.many_runs.combined_folds", "combine_folds"),
    "curriculum_sampler": ("vog.training.sampler", "curriculum_sampler"),
    "export": ("vog.exports", "export"),
    "fold": ("vog.data.folds.fold_dataset", "fold"),
    "folds": ("vog.data.folds.write_folds", "folds"),
    "label_agreement": ("vog.analysis.one_run.label_agreement", "label_agreement"),
    "open": ("vog.result", "open_run"),
    "plant": ("vog.planting", "plant"),
    "report": ("vog.reporting.page", "report"),
    "sampler": ("vog.training.sampler", "sampler"),
    "score": ("vog.sweep", "score"),
    "select": ("vog.analysis.selection.select", "select"),
    "suspects": ("vog.analysis.label_errors.suspects", "suspects"),
    "verify": ("vog.analysis.detection.planted_faults", "verify"),
    "weighted_sampler": ("vog.training.sampler", "weighted_sampler"),
}
__all__ = [
    "Run",
    "VogError",
    "analyze",
    "charts",
    "combine",
    "combine_folds",
    "compare",
    "curriculum_sampler",
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
    "weighted_sampler",
]


def __getattr__(name: str) -> Any:
    if name == "exports":  # for `vog.exports.add_columns` after `import vog` alone
        return import_module("vog.exports")
    if name not in _LATER:
        raise AttributeError(f"module 'vog' has no attribute {name!r}")
    module, attribute = _LATER[name]
    return getattr(import_module(module), attribute)
