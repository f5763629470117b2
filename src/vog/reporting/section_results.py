"""Computes the results of all sections, before any chart is made."""

from collections.abc import Callable, Mapping
from typing import Any

from vog.reporting import sections
from vog.reporting.section import Missing, ReportedRun, Section


def find_results(
    reported: ReportedRun, advance: Callable[[int], None] = lambda steps: None
) -> dict[str, Any]:
    """Return the result of each section by its id, or `Missing`.

    Args:
        reported: the run and the settings of its report.
        advance: called with 1 after each section.
    """
    results: dict[str, Any] = {}
    for section in sections.SECTIONS:
        results[section.id] = section.find(reported)
        advance(1)
    return results


def sections_with_results(results: Mapping[str, Any]) -> list[tuple[Section[Any], Any]]:
    """Return each section whose result is not missing, with its result."""
    pairs = ((section, results[section.id]) for section in sections.SECTIONS)
    return [(section, result) for section, result in pairs if not isinstance(result, Missing)]
