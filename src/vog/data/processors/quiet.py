"""Calls of transformers without its progress bars, its reports, and the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL
from threading import Lock

_LOCK = Lock()  # verbosity is a setting of the whole process


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence what transformers prints inside the block; its errors are still raised."""
    from transformers.utils import logging

    with _LOCK:
        verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity(CRITICAL)
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if has_bars:
                logging.enable_progress_bar()
