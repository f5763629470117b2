"""Choose the rows of a run with a limit: a sample over all classes that a larger limit extends."""

from collections.abc import Mapping
from typing import Any

from vog import data
from vog.data import Examples
from vog.result import question as questions
from vog.result import repair
from vog.sweep.request import Request


def limit_examples(examples: Examples, request: Request) -> Examples:
    """Return the examples of a request, in the order in which they are computed.

    A run that began with a limit continues in the order of its sample, even without a limit.
    In a run of version 0.1, a limit means the first rows of the data.
    """
    limit, stored = request.limit, stored_choices(request)
    if continues_0_1(stored):
        return data.drafted(examples if limit is None else examples.first(limit))
    examples = data.drafted(examples)  # before sampling: the result must not depend on the sample
    count = len(examples) if limit is None else min(limit, len(examples))
    if count < len(examples) or stored.get("data", {}).get("order") == questions.SAMPLE:
        return examples.sampled(count)
    return examples


def stored_choices(request: Request) -> dict[str, Any]:
    """Return the question of the run that is continued, or the known part of it; else empty."""
    return {} if request.overwrite else repair.settled_choices(request.out)


def continues_0_1(stored: Mapping[str, Any]) -> bool:
    """Return whether the run that is continued, if there is one, is of version 0.1."""
    return "data" in stored and questions.is_of_0_1(stored)


def sample_entries(examples: Examples, limit: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the entries of a question for a sample: at its top, and under `data`."""
    if examples.rows is None:
        return {}, {}
    if limit is None or len(examples) == examples.total:
        return {}, {"order": questions.SAMPLE}
    return {"limit": len(examples)}, {"order": questions.SAMPLE, "part": True}
