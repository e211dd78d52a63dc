"""How fast a run is, in words and figures for whoever watches."""

import pytest

from vae_core.training import compute
from vae_core.training.compute import Rate


def test_the_rate_is_that_of_the_last_seconds(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 12.0, 22.5])
    monkeypatch.setattr(compute.time, "monotonic", lambda: next(clock))
    rate = Rate(window_s=10.0)
    for examples in (0, 1000, 2000, 2100, 2205):
        rate.add(examples)
    assert rate.per_second() == pytest.approx(10.0)
