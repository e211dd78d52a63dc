"""How beta moves: where it starts, where it ends, and what repeats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_core.config import ObjectiveConfig
from vae_core.objectives import beta_at


def betas(epochs=60, steps=600, **settings):
    config = ObjectiveConfig(**settings)
    return np.array([beta_at(config, epoch, epochs) for epoch in np.linspace(0, epochs, steps + 1)])


@given(st.floats(0, 100), st.floats(0, 1), st.integers(0, 70), st.integers(0, 20))
def test_beta_stays_between_zero_and_its_setting_and_ends_there(beta, share, warmup, cycles):
    settings = {"warmup_epochs": warmup} if warmup else {"cycles": cycles}
    config = ObjectiveConfig(beta=beta, **settings)
    assert 0 <= beta_at(config, 70 * share, 70) <= beta
    assert beta_at(config, 70, 70) == beta


def test_without_a_schedule_beta_is_constant():
    assert set(betas(beta=3.0)) == {3.0}


def test_warm_up_is_a_straight_line_from_zero_and_then_flat():
    found = betas(beta=4.0, warmup_epochs=15)
    assert found[0] == 0
    np.testing.assert_allclose(np.diff(found[:151]), 4 / 150, rtol=1e-6)
    assert (found[150:] == 4).all()


@pytest.mark.parametrize("cycles", [1, 3, 4])
def test_cycles_repeat_and_rise_over_their_first_half(cycles):
    found = betas(beta=2.0, cycles=cycles)
    length = 600 // cycles
    for start in range(0, 600, length):
        cycle = found[start : start + length]
        assert cycle[0] == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(np.diff(cycle[: length // 2 + 1]), 4 / length, rtol=1e-6)
        np.testing.assert_allclose(cycle[length // 2 :], 2, rtol=1e-6)
    assert (found < 1e-9).sum() == cycles
