"""The verdict on the labels of a run, computed once for all parts of an export."""

from dataclasses import dataclass
from functools import cached_property

from vog.analysis.label_errors.suspects import require_suspects, verdict_or_why
from vog.analysis.label_errors.verdict import Verdict
from vog.errors import ResultError
from vog.result import Run
from vog.result.planting_record import Planted


@dataclass(frozen=True)
class JudgedLabels:
    """A run whose labels are judged when the verdict is first read.

    Attributes:
        run: the run.
        planted: a record of planting to calibrate the verdict on, if there is one.
    """

    run: Run
    planted: Planted | None = None

    @cached_property
    def _verdict_or_why(self) -> tuple[Verdict | None, str | None]:
        return verdict_or_why(self.run, self.planted)

    @property
    def verdict(self) -> Verdict | None:
        """Return the verdict; None if nothing was planted and no verdict is possible.

        Raises:
            ResultError: the record does not fit the data, or the run cannot be judged by it.
        """
        return self._verdict_or_why[0]

    @property
    def why_no_suspects(self) -> str | None:
        """Return why there is no verdict, or why it is only a ranking; None for suspects."""
        verdict, why = self._verdict_or_why
        return why if verdict is None else verdict.reason

    def require_verdict(self) -> Verdict:
        """Return the verdict, which may be only a ranking.

        Raises:
            ResultError: the labels cannot be judged.
        """
        verdict, why = self._verdict_or_why
        if verdict is None:
            raise ResultError(why)
        return verdict

    def require_suspects(self) -> Verdict:
        """Return the verdict if it gives probabilities or a cut-off.

        Raises:
            ResultError: it is only a ranking, or there is no verdict.
        """
        return require_suspects(self.run, self.require_verdict())
