"""The old name of `vog.planting`, which `planted_data.py` files of version 0.1 import."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    return getattr(import_module("vog.planting"), name)
