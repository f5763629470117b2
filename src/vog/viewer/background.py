"""Work that is done while nobody waits for a page, so that the next one is there sooner."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PAUSE = 0.1  # seconds without a request; whoever reads a page takes longer


class Idle:
    """Knows whether pages are being made, and works in a thread of its own while none is."""

    def __init__(self) -> None:
        self._waiting = 0
        self._changed = threading.Condition()
        self._ended = False

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While entered, somebody waits for a page."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    @contextmanager
    def working(self, work: Callable[[Callable[[], bool]], None]) -> Iterator[None]:
        """While entered, `work` is done beside it; what it is given waits until nobody waits."""
        self._ended = False
        beside = threading.Thread(target=work, args=[self.may_go_on], daemon=True)
        beside.start()
        try:
            yield
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            beside.join()

    def may_go_on(self) -> bool:
        """Wait until nobody has waited for a moment; False when it is to end."""
        with self._changed:
            while not self._ended:
                if self._waiting:
                    self._changed.wait()
                elif not self._changed.wait(_PAUSE):
                    return True
        return False

    def _count(self, more: int) -> None:
        with self._changed:
            self._waiting += more
            self._changed.notify_all()
