"""The settings of a planting, and checks of them that need no data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.errors import DataError, unknown
from vog.planting.corruptions import CORRUPTIONS, NOISE
from vog.planting.flips import FLIP_KINDS, UNIFORM
from vog.result import Run
from vog.result.planting_record import BOUNDARY, CORRUPT, FLIP, OUTSIDE
from vog.wording import command, option


@dataclass(frozen=True)
class PlantingSpec:
    """The arguments of `plant`; `shares` holds the share of examples of each kind."""

    shares: Mapping[str, float]
    threshold: bool
    flip_kind: str
    confusion: str | Path | None
    run: Run | str | Path | None
    corruptions: tuple[str, ...]
    outside_from: str | Path | None
    seed: int

    def check(self) -> None:
        """Raise unless the settings are valid and go together.

        Raises:
            DataError: a setting is invalid, or lacks another that it needs.
        """
        for kind, share in self.shares.items():
            if not 0 <= share <= 1:
                raise DataError(
                    f"{option(kind, share)}: expected a share of the examples from 0 to 1, such "
                    f"as 0.05 for five percent."
                )
        if not any(self.shares.values()) and not self.threshold:
            raise DataError(
                f"there is nothing to plant. Give one of {', '.join(map(option, self.shares))} "
                f"with a share of the examples, such as 0.05, or {option('threshold', True)}."
            )
        if self.seed < 0:
            raise DataError(f"{option('seed', self.seed)}: expected a whole number from 0 on.")
        self._check_flips()
        if self.outside_from is not None and not self.shares[OUTSIDE]:
            raise DataError(f"{option('outside_from')} needs a share for {option('outside')} too.")
        self._check_corruptions()

    def _check_flips(self) -> None:
        kind = self.flip_kind
        if kind not in FLIP_KINDS:
            raise DataError(
                f"{option('flip_kind')}: there is no {kind!r}.{unknown(kind, FLIP_KINDS)}"
            )
        options = {"flip_kind": kind != UNIFORM, "confusion": self.confusion, "run": self.run}
        for name, value in options.items():
            if value and not self.shares[FLIP]:
                raise DataError(f"{option(name)} needs a share of labels for {option('flip')}.")
        if self.confusion is not None and kind != UNIFORM:
            raise DataError(
                f"{option('confusion')} needs {option('flip_kind', UNIFORM)}, not {kind}."
            )
        if kind == BOUNDARY and self.run is None:
            raise DataError(
                f"{option('flip_kind', BOUNDARY)} flips what an earlier run finds ambiguous: give "
                f"{option('run')}, a folder that {command('score')} wrote for the same data."
            )
        if kind != BOUNDARY and self.run is not None:
            raise DataError(f"{option('run')} needs {option('flip_kind', BOUNDARY)}, not {kind}.")

    def _check_corruptions(self) -> None:
        for name in self.corruptions:
            if name not in CORRUPTIONS:
                raise _corruptions_error(f"there is no {name!r}.{unknown(name, CORRUPTIONS)}")
        if not self.corruptions or len(set(self.corruptions)) < len(self.corruptions):
            raise _corruptions_error(f"give one or more of {', '.join(CORRUPTIONS)}, each once.")

    def corruptions_for(self, is_image: bool) -> list[str]:
        """Return the corruptions that suit the data.

        Raises:
            DataError: none of them suits examples that are no images.
        """
        if is_image or not self.shares[CORRUPT]:
            return list(self.corruptions)
        if NOISE not in self.corruptions:
            raise DataError(
                f"the examples are no images, so {' and '.join(self.corruptions)} cannot be done "
                f"to them. Ask for noise."
            )
        return [NOISE]

    def question_entries(self, methods: list[str]) -> dict[str, Any]:
        """Return the settings that the record stores unchanged."""
        corruptions = {"corruptions": methods} if self.shares[CORRUPT] else {"corruptions": []}
        return {"seed": self.seed, **self.shares, "threshold": self.threshold, **corruptions}


def _corruptions_error(problem: str) -> DataError:
    return DataError(f"{option('corruptions')}: {problem}")
