"""The command that lists all scores."""

from typing import TYPE_CHECKING

from vog.cli import printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs

if TYPE_CHECKING:
    from vog.scores import Score


def scores(form: PrintedAs = TableFormat.TABLE) -> None:
    r"""List the scores: what each needs, what a high value means, its range and source.

    Example:
      vog scores
    """
    from vog.scores import SCORES, needs_of

    rows = [
        {
            "score": score.name,
            "higher is": score.higher_means,
            "range": "[{:.3g}, {:.3g}]".format(*score.range),
            "unit": score.unit,
            "needs": ", ".join(sorted(needs_of([score]))),
            "tasks": _tasks_of(score),
            "source": score.source,
        }
        for score in SCORES.values()
    ]
    printing.print_table(rows, form)


def _tasks_of(score: "Score") -> str:
    """Return which tasks have the outcomes that a score needs."""
    from vog.scores import outcomes_of
    from vog.tasks import TASKS

    lacking = [t.name for t in TASKS.values() if not outcomes_of([score]) <= t.outcomes]
    return f"not {', '.join(lacking)}" if lacking else "all"
