"""A function that returns a dataset: `file.py:function`, or `module:function`."""

from dataclasses import dataclass
from typing import Any

from vog.data.examples import Examples
from vog.data.kinds.python_dataset import PythonDataset
from vog.data.paths import is_missing, is_name
from vog.data.protocol import Display, OpenOptions, Source, StoredReader
from vog.user_functions import call_function, load_function
from vog.wording import option


@dataclass(frozen=True)
class PythonFunction(Source):
    """The name of a function of the user."""

    kind = "function in Python"

    def opens(self, data: Any) -> bool:
        """Return whether the name has a colon and is no path of data."""
        return is_name(data) and ":" in str(data) and is_missing(data)

    def examples(self, data: Any, options: OpenOptions) -> Examples:
        """Return the items of the dataset that the function returns."""
        return PythonDataset().examples(call(data), options)

    def reader(self, data: Any, display: Display) -> StoredReader:
        """Call the function, and return what reads items of the dataset."""
        return PythonDataset().reader(call(data), display)


def call(name: Any) -> Any:
    """Return the dataset that a function returns.

    Raises:
        FunctionError: there is no such function, or it fails.
    """
    setting = option("data")
    return call_function(load_function(str(name), setting), str(name), setting)
