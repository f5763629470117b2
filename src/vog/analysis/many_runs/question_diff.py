"""Differences between the questions that several runs answer."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vog.result.question import flatten

_Checkpoints = Sequence[Mapping[str, Any]]
_MOST_LISTED = 8  # differing entries of a list that are shown one by one
_AFTER_LIST_NAME = re.compile(r"\[|\.[^.\[]*$")  # everything after the name of a list


@dataclass(frozen=True)
class Difference:
    """An entry of the questions that is not the same in all runs; `nothing` if it is absent."""

    key: str
    values: tuple[str, ...]


def question_differences(questions: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Return the entries that differ; of a list with many of these, only how many."""
    entries = [flatten(_summarize(question, questions[0])) for question in questions]
    keys = dict.fromkeys(itertools.chain(*entries))
    values = {key: [entry.get(key, "nothing") for entry in entries] for key in keys}
    changed = {key: row for key, row in values.items() if any(value != row[0] for value in row)}
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
            texts = (f"{count:,} of {len(members):,} differ" for count in counts[1:])
            differences.append(Difference(name, (f"{len(members):,} entries", *texts)))
    return tuple(differences)


def _summarize(question: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """Return a question with its checkpoints and its scores each as one line of text."""
    summary = dict(question)
    if "checkpoints" in question:
        summary["checkpoints"] = _checkpoint_summary(
            question["checkpoints"], first.get("checkpoints", [])
        )
    if "scores" in question:
        summary["scores"] = ", ".join(map(_score_summary, question["scores"]))
    return summary


def _checkpoint_summary(checkpoints: _Checkpoints, first: _Checkpoints) -> str:
    steps, first_steps = ([entry["step"] for entry in each] for each in (checkpoints, first))
    summary, first_summary = _step_range(steps), _step_range(first_steps)
    if steps != first_steps:
        count = len(set(steps) - set(first_steps))
        return f"{count} of {len(steps)} steps differ" if summary == first_summary else summary
    weights, expected = ([entry.get("sha256") for entry in each] for each in (checkpoints, first))
    if None in weights:  # combined runs have many models, stored gradients name none
        return f"{summary}, weights not known"
    if None in expected:
        return summary
    count = sum(new != old for new, old in zip(weights, expected, strict=True))
    return f"{count} of {len(steps)} have different weights, same steps" if count else summary


def _step_range(steps: Sequence[Any]) -> str:
    return f"{len(steps)}, step {steps[0]} to {steps[-1]}" if steps else "none"


def _score_summary(score: Any) -> str:
    if not isinstance(score, Mapping):
        return str(score)
    settings = ", ".join(f"{key}={value}" for key, value in score.items() if key != "name")
    return f"{score['name']} ({settings})" if settings else str(score["name"])
