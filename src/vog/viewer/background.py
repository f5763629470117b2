"""Background work while no request is waiting, so that later pages are faster."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PAUSE = 0.1  # seconds without a request before work goes on; reading a page takes longer


class IdleWorker:
    """Counts requests in progress, and works in its own thread while there are none."""

    def __init__(self) -> None:
        self._waiting = 0
        self._changed = threading.Condition()
        self._ended = False

    @contextmanager
    def serving_request(self) -> Iterator[None]:
        """Count a request as in progress until the block ends."""
        self._change_waiting(1)
        try:
            yield
        finally:
            self._change_waiting(-1)

    @contextmanager
    def run_in_background(self, work: Callable[[Callable[[], bool]], None]) -> Iterator[None]:
        """Run `work` in a thread until the block ends; its argument is `wait_until_idle`."""
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
        """Wait until no request is in progress; return False if the work has to end."""
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
