"""A pair of arrays in memory: `(inputs, labels)`."""

from dataclasses import dataclass
from typing import Any

from vog.data import arrays
from vog.data.examples import Examples
from vog.data.kinds.array_rows import rows_reader
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.data.transforms import value_transform
from vog.wording import option


@dataclass(frozen=True)
class ArrayPair(Source):
    """Two arrays, or tensors, of equal length; the labels may be None."""

    kind = "arrays in memory"

    def opens(self, data: Any) -> bool:
        """Return whether the data are a tuple of two."""
        return isinstance(data, tuple) and len(data) == 2

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the rows of the pair."""
        from vog.data.tensors import array_pair

        return arrays.from_arrays(*array_pair(data), value_transform(options.transform))

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Return what reads rows of the inputs."""
        from vog.data.tensors import array_pair

        advice = f"Give the arrays that were scored as {option('data')}."
        return rows_reader(array_pair(data)[0], None, "the pair of arrays", advice)
