"""The section on whether the scores agree, with each other and with themselves."""

from dataclasses import dataclass
from pathlib import Path

from vog.analysis.one_run.column_pair import ColumnComparison, compare_columns
from vog.analysis.one_run.correlation import Dispute, correlation_matrix, disputed_examples
from vog.analysis.one_run.stability import Stability, stability, unmeasured_stages
from vog.errors import ResultError
from vog.figures import charts
from vog.figures.charts import Chart
from vog.reporting.section import Missing, Pictures, ReportedRun, Section, SelectedRow, or_missing

_DISPUTED = 14


@dataclass(frozen=True)
class ScoreAgreement:
    """The agreement of the scores over all checkpoints.

    Attributes:
        correlations: Spearman's correlation of each pair of scores.
        stability: agreement of the rankings by two halves of the checkpoints, by score and stage.
        not_measured: a sentence that names stages without `stability`; None if there are none.
        gradient_norm: comparison of VoG with the gradient norm.
        disputes: the examples on which the scores differ most.
    """

    correlations: dict[str, dict[str, float]]
    stability: tuple[Stability, ...]
    not_measured: str | None
    gradient_norm: ColumnComparison | Missing
    disputes: tuple[Dispute, ...]


def _score_agreement(reported: ReportedRun) -> ScoreAgreement:
    run, columns = reported.run, reported.whole_run_columns
    return ScoreAgreement(
        correlations=correlation_matrix(run, columns),
        stability=stability(run),
        not_measured=unmeasured_stages(run),
        gradient_norm=or_missing(_vog_and_gradient_norm)(reported),
        disputes=disputed_examples(run, columns, _DISPUTED),
    )


def _vog_and_gradient_norm(reported: ReportedRun) -> ColumnComparison:
    run = reported.run
    missing = [name for name in ("vog@all", "grad_norm@all") if name not in run.score_columns]
    if missing:
        raise ResultError(f"The run has no {' and no '.join(missing)}.")
    return compare_columns(run, "vog@all", "grad_norm@all")


def _agreement_charts(agreement: ScoreAgreement) -> dict[str, Chart]:
    by_name: dict[str, Chart] = {}
    if len(agreement.correlations) > 1:
        by_name["agreement"] = charts.correlation_chart(agreement.correlations, "all")
    if not isinstance(agreement.gradient_norm, Missing):
        pair = agreement.gradient_norm
        chart = charts.comparison(pair.density, "vog@all", "grad_norm@all", pair.spearman)
        by_name["vog_against_grad_norm"] = chart
    return by_name


def _disputed_examples(agreement: ScoreAgreement) -> Pictures:
    return Pictures({"disputed": [_disputed_row(example) for example in agreement.disputes]})


def _disputed_row(example: Dispute) -> SelectedRow:
    hardest_by, easiest_by = (
        column.partition("@")[0] for column in (example.hardest_by, example.easiest_by)
    )
    facts = (
        f"{example.hardest:.0%} hard by {hardest_by}",
        f"{example.easiest:.0%} by {easiest_by}",
    )
    return SelectedRow(example.index, facts)


AGREEMENT = Section(
    id="agreement",
    link="Agreement",
    title="Do the scores agree?",
    find=_score_agreement,
    template=Path(__file__).with_suffix(".html"),
    charts=_agreement_charts,
    pictures=_disputed_examples,
)
