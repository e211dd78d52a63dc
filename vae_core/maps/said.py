"""What the status of a map says to people: how far it is, and how long it may take, and how that is known."""

import time

from vae_core.maps.workplace import Status


def share(status: Status, now: float | None = None) -> float:
    """How much of the whole way is done, 0 to 1: by time where that is known, else by steps."""
    now = time.time() if now is None else now
    left, spent = _left(status, now), max(now - status.began, 0.0)
    if left is not None and status.later_s is not None and spent + left > 0:
        return spent / (spent + left)
    if not status.steps:
        return 0.0
    return (max(status.step - 1, 0) + (status.done or 0.0)) / status.steps


def sentence(status: Status, now: float | None = None) -> str:
    """What is under way, in words: which step of how many, what it does, and how long there is to wait."""
    now = time.time() if now is None else now
    parts = [f"Step {status.step} of {status.steps}"] if status.steps else []
    parts.append(status.message.rstrip(".") or "Starting")
    if status.steps:
        parts.append(_wait(status, now))
    return " · ".join(parts)


def _wait(status: Status, now: float) -> str:
    left, own = _left(status, now), f"its first {100 * (status.done or 0):.0f} %"
    if left is None:
        return f"{_seconds(now - status.began)} so far, no estimate yet"
    if status.measured and status.later_s is None:
        return f"about {_seconds(left)} for this step, from {own}; none yet for the next"
    if status.measured:
        return f"about {_seconds(left)} left, from {own}{f' and {status.basis}' if status.later_s else ''}"
    if status.later_s is None or now - status.updated > (status.step_s or 0.0):
        return f"longer than {status.basis} took"
    return f"about {_seconds(left)} left, from {status.basis}"


def _left(status: Status, now: float) -> float | None:
    """Seconds left, of this step alone where nothing is known of the others; the clock goes on between two reports."""
    if status.step_s is None:
        return None
    return max(status.step_s - max(now - status.updated, 0.0), 0.0) + (status.later_s or 0.0)


def _seconds(span: float) -> str:
    if span >= 90:
        return f"{span / 60:.0f} min"
    return f"{5 * round(span / 5) if span > 20 else max(round(span), 1):.0f} s"
