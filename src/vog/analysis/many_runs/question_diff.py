"""What differs in the questions that several runs answer."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vog.result.question import flat

_LISTED = 8  # entries of a list that differ and are shown one by one
_LIST_OF = re.compile(r"\[|\.[^.\[]*$")  # what follows the name of a list


@dataclass(frozen=True)
class Difference:
    """An entry of the questions that is not the same in all runs; `nothing` where it is absent."""

    key: str
    values: tuple[str, ...]


def question_differences(questions: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
    """Entry by entry; where many of a list differ, how many."""
    entries = [flat(_told(question, questions[0])) for question in questions]
    keys = dict.fromkeys(itertools.chain(*entries))
    values = {key: [one.get(key, "nothing") for one in entries] for key in keys}
    changed = {key: of for key, of in values.items() if any(one != of[0] for one in of)}
    grouped: dict[str, list[str]] = {}
    for key in changed:
        grouped.setdefault(_LIST_OF.split(key)[0], []).append(key)
    found: list[Difference] = []
    for head, own in grouped.items():
        if len(own) <= _LISTED:
            found += [Difference(key, tuple(map(str, changed[key]))) for key in own]
        else:
            others = [
                sum(changed[key][at] != changed[key][0] for key in own)
                for at in range(len(questions))
            ]
            said = (f"{other:,} of {len(own):,} are others" for other in others[1:])
            found.append(Difference(head, (f"{len(own):,} entries", *said)))
    return tuple(found)


def _told(question: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """A question whose checkpoints and scores are said in a line each."""
    told = dict(question)
    if "checkpoints" in question:
        told["checkpoints"] = _checkpoints(question["checkpoints"], first.get("checkpoints", []))
    if "scores" in question:
        told["scores"] = ", ".join(map(_score, question["scores"]))
    return told


def _checkpoints(own: Sequence[Mapping[str, Any]], first: Sequence[Mapping[str, Any]]) -> str:
    steps, before = ([one["step"] for one in of] for of in (own, first))
    told, was = (f"{len(of)}, step {of[0]} to {of[-1]}" if of else "none" for of in (steps, before))
    if steps != before:
        others = len(set(steps) - set(before))
        return f"{others} of {len(steps)} steps are others" if told == was else told
    weights, known = ([one.get("sha256") for one in of] for of in (own, first))
    if None in weights:  # a combined run is of no one model, and stored gradients do not name it
        return f"{told}, weights not known"
    if None in known:
        return told
    others = sum(one != other for one, other in zip(weights, known, strict=True))
    return f"{others} of {len(steps)} have other weights; steps equal" if others else told


def _score(asked: Any) -> str:
    if not isinstance(asked, Mapping):
        return str(asked)
    settings = ", ".join(f"{key}={value}" for key, value in asked.items() if key != "name")
    return f"{asked['name']} ({settings})" if settings else str(asked["name"])
