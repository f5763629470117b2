"""Work that is done while nobody waits for a page, so that the next one is there sooner."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PAUSE = 0.1  # seconds without a request; whoever reads a page takes longer


class IdleWorker:
    """Knows whether pages are being made, and works in a thread of its own while none is."""

    def __init__(self) -> None:
        self._waiting = 0
        self._changed = threading.Condition()
        self._ended = False

    @contextmanager
    def serving_request(self) -> Iterator[None]:
        """While entered, somebody waits for a page."""
        self._change_waiting(1)
        try:
            yield
        finally:
            self._change_waiting(-1)

    @contextmanager
    def run_in_background(self, work: Callable[[Callable[[], bool]], None]) -> Iterator[None]:
        """While entered, `work` is done beside it; what it is given waits until nobody waits."""
        self._ended = False
        thread = threading.Thread(target=work, args=[self.wait_until_idle], daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            thread.join()

    def wait_until_idle(self) -> bool:
        """Wait until nobody has waited for a moment; False when it is to end."""
        with self._changed:
            while not self._ended:
                if self._waiting:
                    self._changed.wait()
                elif not self._changed.wait(_PAUSE):
                    return True
        return False

    def _change_waiting(self, change: int) -> None:
        with self._changed:
            self._waiting += change
            self._changed.notify_all()
