"""What the settings leave open is settled by trying, and only what pays and changes nothing is taken."""

import shutil
import subprocess
import sys

import pytest
import torch

from tests.training import making
from vae_core import checkpoint, data
from vae_core.config import ComputeConfig, DataConfig
from vae_core.errors import ConfigError, TrainingError
from vae_core.training import compute
from vae_core.training.compute import Rate, Trial, choose, fabric
from vae_core.training.conduct import conduct

DIGITS = data.load(DataConfig(name="digits"), "train").examples
HELD_OUT = data.load(DataConfig(name="digits"), "held-out").examples
AUTO = ComputeConfig(accelerator="cpu")
EAGER, BF16, COMPILED = (
    ComputeConfig(accelerator="cpu", precision=precision, compile=compiled)
    for precision, compiled in (("32-true", "off"), ("bf16-mixed", "on"), ("32-true", "on"))
)


def settle(**settings):
    return choose(making.experiment(**settings), DIGITS, HELD_OUT, lambda: False)


def trial(config, rate, *, elbo=-100.0, warm_up=0.0, error=0.5):
    return Trial(config, *map(float, (rate, warm_up, elbo, error)))


@pytest.fixture
def attempts(monkeypatch):
    """Trials whose outcome is planned; what was tried is kept."""
    planned: dict[ComputeConfig, Trial | Exception] = {}
    tried: list[ComputeConfig] = []

    def attempt(config, *rest):
        tried.append(config)
        if isinstance(planned[config], Exception):
            raise planned[config]
        return planned[config]

    monkeypatch.setattr(compute, "_try", attempt)
    return planned, tried


LONG = {"compute": AUTO, "epochs": 10_000, "batch_size": 64}


def test_settled_settings_are_taken_as_they_are(attempts):
    assert settle(compute=EAGER) == (EAGER, "as the settings say")
    assert settle(compute=COMPILED, epochs=10_000) == (COMPILED, "as the settings say")
    assert attempts[1] == []


def test_a_short_run_tries_nothing(attempts):
    chosen, _ = settle(compute=AUTO, epochs=2)
    assert chosen == EAGER
    assert attempts[1] == []


def test_a_run_that_ends_within_a_minute_tries_nothing_else(attempts):
    planned, tried = attempts
    planned[EAGER] = trial(EAGER, rate=1e9)
    assert settle(**LONG)[0] == EAGER
    assert tried == [EAGER]


def test_the_most_promising_way_that_pays_is_taken_without_trying_the_rest(attempts):
    planned, tried = attempts
    planned |= {EAGER: trial(EAGER, 1000), BF16: trial(BF16, 2000, elbo=-100.3, warm_up=30)}
    chosen, why = settle(**LONG)
    assert chosen == BF16
    assert tried == [EAGER, BF16]
    assert "2,000 images/s" in why
    assert "30 s of compiling (chosen)" in why


def test_a_way_that_computes_something_else_is_not_taken(attempts):
    planned, _ = attempts
    planned |= {
        EAGER: trial(EAGER, 1000),
        BF16: trial(BF16, 9000, elbo=-101),
        COMPILED: trial(COMPILED, 1500),
    }
    chosen, why = settle(**LONG)
    assert chosen == COMPILED
    assert "not the same ELBO" in why


def test_a_way_that_cannot_be_had_or_takes_too_long_to_compile_is_not_taken(attempts):
    planned, _ = attempts
    planned |= {
        EAGER: trial(EAGER, 1000),
        BF16: TrainingError("cannot be compiled here (no compiler)"),
        COMPILED: trial(COMPILED, 3000, warm_up=1e6),
    }
    chosen, why = settle(**LONG)
    assert chosen == EAGER
    assert "no compiler" in why
    assert "does not pay" in why


def test_what_was_settled_stays_and_only_the_rest_is_tried(attempts):
    planned, tried = attempts
    bf16 = ComputeConfig(accelerator="cpu", precision="bf16-mixed", compile="off")
    planned |= {EAGER: trial(EAGER, 1000), bf16: trial(bf16, 1200)}
    asked = ComputeConfig(accelerator="cpu", compile="off")
    assert settle(**LONG | {"compute": asked})[0] == bf16
    assert tried == [EAGER, bf16]


def test_a_real_trial_measures_and_leaves_the_run_alone(monkeypatch):
    monkeypatch.setattr(compute, "WORTH_TRYING_S", 0.0)
    asked = ComputeConfig(accelerator="cpu", compile="off")
    before = torch.get_rng_state()
    chosen, why = settle(compute=asked, epochs=2000, batch_size=64)
    assert chosen.precision in ("32-true", "bf16-mixed")
    assert why.count("images/s") == 2
    assert torch.equal(torch.get_rng_state(), before)


def test_bfloat16_trains_and_keeps_float32_weights(tmp_path):
    bf16 = ComputeConfig(accelerator="cpu", precision="bf16-mixed", compile="off")
    figures = {}
    for config in (EAGER, bf16):
        run = making.make(tmp_path, compute=config)
        assert conduct(run) == "finished"
        found = checkpoint.load(run.checkpoint(6))
        assert {tensor.dtype for tensor in found.model.state_dict().values()} == {torch.float32}
        figures[config] = found.description.evaluation["elbo"]
    assert figures[bf16] != figures[EAGER]
    assert figures[bf16] == pytest.approx(figures[EAGER], rel=0.02)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with a C++ compiler")
def test_a_compiled_run_ends_where_a_plain_one_does(tmp_path):
    figures = []
    for config in (EAGER, COMPILED):
        run = making.make(tmp_path, compute=config, epochs=2, model={"hidden": (16,)})
        # In a process of its own: the checks of shapes that tests switch on cannot be compiled.
        train = [sys.executable, "-m", "vae_core", "train", "--run", str(run.folder)]
        subprocess.run(train, check=True, capture_output=True)
        figures.append(checkpoint.load(run.checkpoint(2)).description.evaluation["elbo"])
    assert figures[1] == pytest.approx(figures[0], rel=1e-3)


def test_an_accelerator_that_is_not_here_is_one_sentence():
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(ConfigError, match="accelerator = 'cuda' with devices = 1 is not to be had here"):
        fabric(ComputeConfig(accelerator="cuda"))


def test_the_rate_is_that_of_the_last_seconds(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 12.0, 22.5])
    monkeypatch.setattr(compute.time, "monotonic", lambda: next(clock))
    rate = Rate(window_s=10.0)
    for examples in (0, 1000, 2000, 2100, 2205):
        rate.add(examples)
    assert rate.per_second() == pytest.approx(10.0)
