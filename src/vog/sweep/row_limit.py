"""Which rows a run with `--limit` has: a sample over classes, of which a larger one goes on."""

from collections.abc import Mapping
from typing import Any

from vog import data
from vog.data import Examples
from vog.result import question as questions
from vog.result import repair
from vog.sweep.request import Request


def limit_examples(examples: Examples, request: Request) -> Examples:
    """Return the examples that a request is about, in the order in which they are computed.

    A run that was begun with a limit goes on in the order of its sample, also without a limit.
    In a run that version 0.1 began, a limit means the first rows of the data.
    """
    limit, stored = request.limit, stored_choices(request)
    if continues_0_1(stored):
        return data.drafted(examples if limit is None else examples.first(limit))
    examples = data.drafted(examples)  # of all rows: what is found out is the same for any sample
    count = len(examples) if limit is None else min(limit, len(examples))
    if count < len(examples) or stored.get("data", {}).get("order") == questions.SAMPLE:
        return examples.sampled(count)
    return examples


def stored_choices(request: Request) -> dict[str, Any]:
    """Return the question of the run that is continued, or what is known of it; else nothing."""
    return {} if request.overwrite else repair.settled_choices(request.out)


def continues_0_1(stored: Mapping[str, Any]) -> bool:
    """Return whether the run that is continued, if there is one, was begun by version 0.1."""
    return "data" in stored and questions.is_of_0_1(stored)


def sample_entries(examples: Examples, limit: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a question says of a sample: at its top, and under `data`."""
    if examples.rows is None:
        return {}, {}
    if limit is None or len(examples) == examples.total:
        return {}, {"order": questions.SAMPLE}
    return {"limit": len(examples)}, {"order": questions.SAMPLE, "part": True}
