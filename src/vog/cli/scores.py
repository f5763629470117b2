"""The command that lists all scores."""

from vog.cli import printing
from vog.cli.printing import TableFormat
from vog.cli.run_options import PrintedAs


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
            "source": score.source,
        }
        for score in SCORES.values()
    ]
    printing.print_table(rows, form)
