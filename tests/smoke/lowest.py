"""Prints the lowest version of each direct requirement, as constraints that pip takes.

`python lowest.py pyproject.toml constraints.txt torch` takes torch from the constraints instead:
its own lowest build is some gigabytes.
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement


def lowest(requirement: Requirement) -> str:
    """Return the version after `>=`.

    Raises:
        ValueError: there is none.
    """
    for part in requirement.specifier:
        if part.operator == ">=":
            return part.version
    raise ValueError(f"{requirement} has no lower bound")


def main() -> None:
    """Read the requirements of a project, and print one constraint a line."""
    project, constraints, *as_there = sys.argv[1:]
    declared = tomllib.loads(Path(project).read_text(encoding="utf-8"))["project"]
    known = dict(
        line.split("==")
        for line in Path(constraints).read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    for requirement in map(Requirement, declared["dependencies"]):
        name = requirement.name
        version = known[name] if name in as_there else lowest(requirement)
        sys.stdout.write(f"{name}=={version}\n")


if __name__ == "__main__":
    main()
