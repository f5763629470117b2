"""What is asked of planting, and whether it makes sense before the data are looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.errors import DataError, unknown
from vog.planting.corruptions import CORRUPTIONS, NOISE
from vog.planting.flips import FLIP_KINDS, UNIFORM
from vog.result import Run
from vog.result.planting_record import BOUNDARY, CORRUPT, FLIP, OUTSIDE


@dataclass(frozen=True)
class PlantingSpec:
    """As the arguments of `plant`; `shares` by kind."""

    shares: Mapping[str, float]
    threshold: bool
    flip_kind: str
    confusion: str | Path | None
    run: Run | str | Path | None
    corruptions: tuple[str, ...]
    outside_from: str | Path | None
    seed: int

    def check(self) -> None:
        """Nothing, if it makes sense.

        Raises:
            DataError: it does not.
        """
        for kind, share in self.shares.items():
            if not 0 <= share <= 1:
                raise DataError(
                    f"--{kind} {share:g}: expected a share of the examples from 0 to 1, as 0.05 "
                    f"for five percent."
                )
        if not any(self.shares.values()) and not self.threshold:
            raise DataError(
                "nothing is asked for. Give one of --flip, --duplicate, --corrupt, --outside with "
                "a share of the examples, as 5%, or --threshold."
            )
        if self.seed < 0:
            raise DataError(f"--seed {self.seed}: expected a whole number from 0 on.")
        self._check_flips()
        if self.outside_from is not None and not self.shares[OUTSIDE]:
            raise DataError("--outside-from says what --outside adds: give --outside too.")
        self._check_corruptions()

    def _check_flips(self) -> None:
        kind = self.flip_kind
        if kind not in FLIP_KINDS:
            raise DataError(
                f"--flip-kind {kind}: expected one of {', '.join(FLIP_KINDS)}."
                f"{unknown(kind, FLIP_KINDS)}"
            )
        options = {"--flip-kind": kind != UNIFORM, "--confusion": self.confusion, "--run": self.run}
        for name, value in options.items():
            if value and not self.shares[FLIP]:
                raise DataError(f"{name} says how labels are flipped: give --flip too.")
        if self.confusion is not None and kind != UNIFORM:
            raise DataError(f"--confusion goes with --flip-kind uniform, and not with {kind}.")
        if kind == BOUNDARY and self.run is None:
            raise DataError(
                "--flip-kind boundary flips what an earlier run finds ambiguous: give --run RUN, a "
                "folder that `vog score` wrote of the same data."
            )
        if kind != BOUNDARY and self.run is not None:
            raise DataError(f"--run is for --flip-kind boundary, and --flip-kind is {kind}.")

    def _check_corruptions(self) -> None:
        for name in self.corruptions:
            if name not in CORRUPTIONS:
                raise DataError(f"--corruptions: there is no {name!r}.{unknown(name, CORRUPTIONS)}")
        if not self.corruptions or len(set(self.corruptions)) < len(self.corruptions):
            raise DataError(f"--corruptions: give one or more of {', '.join(CORRUPTIONS)}, once.")

    def corruptions_for(self, is_image: bool) -> list[str]:
        """The corruptions that the data can have.

        Raises:
            DataError: there is none, as the examples are no images.
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
        """What of this the record says as it is."""
        corruptions = {"corruptions": methods} if self.shares[CORRUPT] else {"corruptions": []}
        return {"seed": self.seed, **self.shares, "threshold": self.threshold, **corruptions}
