"""Stop at once in the middle of work that cannot ask whether to go on: loading, compiling, evaluating.

Such work is given up wherever it stands, as Ctrl-C would, so it has to be work that leaves nothing half done or may
be done again. Steps of training ask for themselves.
"""

import signal
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vae_core.errors import Stopped

LOOK_S = 0.05
AGAIN_S = 2.0  # an exception that is raised within a destructor is lost; by then clearing up is done, too


class _Interrupted(BaseException):
    """Passes through everything that catches errors, compilers above all."""


@contextmanager
def interruptible(asked: Callable[[], bool]) -> Iterator[None]:
    """While inside, `asked` is asked every LOOK_S by a thread of its own; once it says yes, what is under way ends.

    Works in the main thread, where the system has signals of the user's own; elsewhere the work is done to its end.

    Raises:
        Stopped: it was asked to stop.
    """
    number = getattr(signal, "SIGUSR1", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    left, me, last = threading.Event(), threading.get_ident(), 0.0

    def watch() -> None:
        while not left.wait(LOOK_S):
            if asked():
                signal.pthread_kill(me, number)

    def interrupt(number: int, frame: types.FrameType | None) -> None:
        nonlocal last
        if not left.is_set() and time.monotonic() - last > AGAIN_S:
            last = time.monotonic()
            raise _Interrupted

    watcher = threading.Thread(target=watch, name="stop", daemon=True)
    before = signal.signal(number, interrupt)
    try:
        watcher.start()
        yield
        left.set()
    except _Interrupted:
        raise Stopped("Stopped on request.") from None
    finally:
        left.set()
        watcher.join()
        signal.signal(number, before)
