"""The tables of RESULTS.md out of what pytest-benchmark saved.

python benchmarks/tables.py .benchmarks/results.json
"""

import json
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any


def tables(results: dict[str, Any]) -> Iterator[str]:
    """One Markdown table a group: median, least and most, ratio to the first entry, and notes."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in results["benchmarks"]:
        groups.setdefault(one["group"] or "other", []).append(one)
    for name, entries in groups.items():
        turns = [one for one in entries if any(isinstance(v, dict) for v in _notes(one).values())]
        if turns:
            yield from (_in_turns(name, one) for one in turns)
        else:
            yield _table(name, entries)


def _notes(one: dict[str, Any]) -> dict[str, Any]:
    return one["extra_info"]


def _table(name: str, entries: list[dict[str, Any]]) -> str:
    per = _notes(entries[0]).get("per", 1)
    first = entries[0]["stats"]["median"]
    unit, scale = ("ms", 1e3) if first < 1 else ("s", 1.0)
    said = f"{unit} an example" if per > 1 else unit
    lines = [f"### {name}\n", f"| | {said} (least, most) | ratio | |", "|---|---|---|---|"]
    for one in entries:
        each = {key: one["stats"][key] * scale / per for key in ("median", "min", "max")}
        notes = ", ".join(f"{k}: {v}" for k, v in _notes(one).items() if k != "per")
        lines.append(
            f"| {_entry(one)} | {each['median']:.3g} ({each['min']:.3g}, {each['max']:.3g}) "
            f"| {one['stats']['median'] / first:.2f} | {notes} |"
        )
    return "\n".join(lines)


def _entry(one: dict[str, Any]) -> str:
    """What tells the entry from the others of its group."""
    values = [v for k, v in (one["params"] or {}).items() if k not in ("name", "memory")]
    if values and all(isinstance(value, str | int) for value in values):
        return ", ".join(f"{value:,}" if isinstance(value, int) else value for value in values)
    inside = one["name"].partition("[")[2].rstrip("]")
    return inside or one["name"].removeprefix("bench_").replace("_", " ")


def _in_turns(name: str, one: dict[str, Any]) -> str:
    lines = [
        f"### {name}, in turns\n",
        "| | ms an image and checkpoint (least, most) | ratio |",
        "|---|---|---|",
    ]
    for way, each in _notes(one).items():
        if isinstance(each, dict):
            row = f"{each['ms']} ({each['least']}, {each['most']}) | {each['ratio']:.2f}"
            lines.append(f"| {way} | {row} |")
    rest = ", ".join(f"{k}: {v}" for k, v in _notes(one).items() if not isinstance(v, dict))
    return "\n".join(lines) + (f"\n\n{rest}" if rest else "")


def machine(results: dict[str, Any]) -> str:
    """Commit, processor and versions."""
    info, commit = results["machine_info"], results["commit_info"]
    cpu = info.get("cpu", {})
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "pyarrow"))
    return (
        f"Commit {commit.get('id', '?')[:7]}{' and changes' if commit.get('dirty') else ''}, "
        f"{cpu.get('count', '?')} cores of {cpu.get('brand_raw', platform.processor())}, "
        f"Python {info['python_version']}, {libraries}."
    )


if __name__ == "__main__":
    loaded = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(machine(loaded), *tables(loaded), sep="\n\n")  # noqa: T201
