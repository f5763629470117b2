"""What differs in the questions that several runs answer."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vog.result.question import flatten

_MOST_LISTED = 8  # entries of a list that differ and are shown one by one
_AFTER_LIST_NAME = re.compile(r"\[|\.[^.\[]*$")  # what follows the name of a list


@dataclass(frozen=True)
class Difference:
    """An entry of the questions that is not the same in all runs; `nothing` where it is absent."""

    key: str
    values: tuple[str, ...]


def question_differences(questions: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Entry by entry; where many of a list differ, how many."""
    entries = [flatten(_summarize(question, questions[0])) for question in questions]
    keys = dict.fromkeys(itertools.chain(*entries))
    values = {key: [entry.get(key, "nothing") for entry in entries] for key in keys}
    changed = {key: row for key, row in values.items() if any(entry != row[0] for entry in row)}
    lists: dict[str, list[str]] = {}
    for key in changed:
        lists.setdefault(_AFTER_LIST_NAME.split(key)[0], []).append(key)
    differences: list[Difference] = []
    for name, members in lists.items():
        if len(members) <= _MOST_LISTED:
            differences += [Difference(key, tuple(map(str, changed[key]))) for key in members]
        else:
            counts = [
                sum(changed[key][i] != changed[key][0] for key in members)
                for i in range(len(questions))
            ]
            texts = (f"{count:,} of {len(members):,} are others" for count in counts[1:])
            differences.append(Difference(name, (f"{len(members):,} entries", *texts)))
    return tuple(differences)


def _summarize(question: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """A question whose checkpoints and scores are said in a line each."""
    summary = dict(question)
    if "checkpoints" in question:
        summary["checkpoints"] = _checkpoint_summary(
            question["checkpoints"], first.get("checkpoints", [])
        )
    if "scores" in question:
        summary["scores"] = ", ".join(map(_score_summary, question["scores"]))
    return summary


def _checkpoint_summary(
    checkpoints: Sequence[Mapping[str, Any]], first: Sequence[Mapping[str, Any]]
) -> str:
    steps, first_steps = ([entry["step"] for entry in each] for each in (checkpoints, first))
    summary, first_summary = (
        f"{len(each)}, step {each[0]} to {each[-1]}" if each else "none"
        for each in (steps, first_steps)
    )
    if steps != first_steps:
        count = len(set(steps) - set(first_steps))
        return f"{count} of {len(steps)} steps are others" if summary == first_summary else summary
    weights, first_weights = (
        [entry.get("sha256") for entry in each] for each in (checkpoints, first)
    )
    if None in weights:  # a combined run is of no one model, and stored gradients do not name it
        return f"{summary}, weights not known"
    if None in first_weights:
        return summary
    count = sum(
        entry != first_weight for entry, first_weight in zip(weights, first_weights, strict=True)
    )
    return f"{count} of {len(steps)} have other weights; steps equal" if count else summary


def _score_summary(score: Any) -> str:
    if not isinstance(score, Mapping):
        return str(score)
    settings = ", ".join(f"{key}={value}" for key, value in score.items() if key != "name")
    return f"{score['name']} ({settings})" if settings else str(score["name"])
