"""Data of any kind, read as batches of examples with stable ids."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vog.data.batch_reading import Batch as Batch
    from vog.data.batch_reading import batches as batches
    from vog.data.batch_reading import default_workers as default_workers
    from vog.data.batch_reading import read_batch as read_batch
    from vog.data.batch_reading import samples as samples
    from vog.data.examples import UNLABELLED as UNLABELLED
    from vog.data.examples import Examples as Examples
    from vog.data.images import drafted as drafted
    from vog.data.sources import open_source as open_source
    from vog.data.transforms import TransformSpec as TransformSpec

# Imported at first use: the sources are asked about runs too, which are read without PyTorch.
_LATER = {
    "Batch": "batch_reading",
    "Examples": "examples",
    "TransformSpec": "transforms",
    "UNLABELLED": "examples",
    "batches": "batch_reading",
    "default_workers": "batch_reading",
    "drafted": "images",
    "open_source": "sources",
    "read_batch": "batch_reading",
    "samples": "batch_reading",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'vog.data' has no attribute {name!r}")
    return getattr(import_module(f"vog.data.{_LATER[name]}"), name)
