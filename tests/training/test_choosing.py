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
from vae_core.training import choosing, products
from vae_core.training.choosing import Race, Trial, as_before, choose
from vae_core.training.compute import fabric, in_words
from vae_core.training.conduct import conduct

needs_onednn = pytest.mark.skipif(not products.AVAILABLE, reason="no AVX-512, or torch without oneDNN")

DIGITS = data.load(DataConfig(name="digits"), "train").examples
HELD_OUT = data.load(DataConfig(name="digits"), "held-out").examples
AUTO = ComputeConfig(accelerator="cpu")
EAGER, BF16, COMPILED = (
    ComputeConfig(accelerator="cpu", precision=precision, compile=compiled, products="torch")
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

    monkeypatch.setattr(choosing, "_try", attempt)
    return planned, tried


LONG = {"compute": AUTO, "epochs": 10_000, "batch_size": 64}


def plan_race(monkeypatch, ahead):
    """A race whose outcome is planned; products of every size count."""
    monkeypatch.setattr(products, "AVAILABLE", True)
    monkeypatch.setattr(products, "WORTH_IT", 1)
    monkeypatch.setattr(choosing, "race", lambda *rest: Race(1000.0, 1000.0 * ahead, ahead))


def test_settled_settings_are_taken_as_they_are(attempts):
    assert settle(compute=EAGER) == (EAGER, "as the settings say")
    assert settle(compute=COMPILED, epochs=10_000) == (COMPILED, "as the settings say")
    assert attempts[1] == []


def test_a_short_run_tries_nothing(attempts):
    chosen, _ = settle(compute=AUTO, epochs=2)
    assert chosen == EAGER
    assert attempts[1] == []


def test_a_run_with_little_to_multiply_tries_nothing(attempts):
    """Thousands of steps, each of them next to nothing: over in seconds on any machine."""
    assert settle(compute=AUTO, epochs=300, batch_size=64)[0] == EAGER
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
    bf16 = ComputeConfig(accelerator="cpu", precision="bf16-mixed", compile="off", products="torch")
    planned |= {EAGER: trial(EAGER, 1000), bf16: trial(bf16, 1200)}
    asked = ComputeConfig(accelerator="cpu", compile="off")
    assert settle(**LONG | {"compute": asked})[0] == bf16
    assert tried == [EAGER, bf16]


def test_a_real_trial_measures_and_leaves_the_run_alone(monkeypatch):
    monkeypatch.setattr(choosing, "WORTH_TRYING_S", 0.0)
    asked = ComputeConfig(accelerator="cpu", compile="off")
    before = torch.get_rng_state()
    chosen, why = settle(compute=asked, epochs=2000, batch_size=64)
    assert chosen.precision in ("32-true", "bf16-mixed")
    assert why.count("images/s") == 2
    assert torch.equal(torch.get_rng_state(), before)


def test_bfloat16_trains_and_keeps_float32_weights(tmp_path):
    bf16 = ComputeConfig(accelerator="cpu", precision="bf16-mixed", compile="off", products="torch")
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


# --- which library multiplies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "library"), [(0.7, "torch"), (1.0, "torch"), (1.04, "torch"), (1.2, "onednn")]
)
def test_onednn_is_taken_where_it_is_clearly_ahead(ahead, library, attempts, monkeypatch):
    planned, tried = attempts
    plan_race(monkeypatch, ahead)
    expected = EAGER.model_copy(update={"products": library})
    planned[expected] = trial(expected, rate=1e9)
    chosen, why = settle(**LONG)
    assert chosen == expected
    assert tried == [expected]  # what else is tried is tried with the winner
    assert f"by torch 1,000 images/s, by oneDNN {1000 * ahead:,.0f}" in why
    assert ("oneDNN" in in_words(chosen)) == (library == "onednn")


@pytest.mark.parametrize("library", ["torch", "onednn"])
def test_a_library_that_was_asked_for_is_taken_without_a_trial(library, attempts, monkeypatch):
    monkeypatch.setattr(products, "AVAILABLE", True)
    monkeypatch.setattr(choosing, "race", None)
    asked = EAGER.model_copy(update={"products": library})
    assert settle(**LONG | {"compute": asked}) == (asked, "as the settings say")


def test_where_onednn_is_not_to_be_had_it_is_said(attempts, monkeypatch):
    planned, _ = attempts
    monkeypatch.setattr(products, "AVAILABLE", False)
    monkeypatch.setattr(products, "missing", lambda: "this processor has no AVX-512")
    planned[EAGER] = trial(EAGER, rate=1e9)
    chosen, why = settle(**LONG)
    assert chosen == EAGER
    assert "oneDNN's are not to be had here (this processor has no AVX-512)" in why
    asked = EAGER.model_copy(update={"products": "onednn"})
    with pytest.raises(
        ConfigError, match=r"products = 'onednn' is not to be had here .* use products = torch"
    ):
        settle(compute=asked)


@pytest.mark.parametrize(
    ("compute", "said"),
    [
        (AUTO, "no layer is large enough"),
        (AUTO.model_copy(update={"precision": "bf16-mixed"}), "only those of float32 on a CPU"),
    ],
)
def test_without_anything_to_gain_nothing_is_tried(compute, said, attempts, monkeypatch):
    planned, _ = attempts
    monkeypatch.setattr(products, "AVAILABLE", True)
    monkeypatch.setattr(choosing, "race", None)
    monkeypatch.setattr(choosing, "WORTH_TRYING_S", 200.0)
    plain = EAGER.model_copy(update={"precision": compute.precision.replace("auto", "32-true")})
    planned[plain] = trial(plain, rate=1e9)
    assert said in settle(**LONG | {"compute": compute})[1]


@needs_onednn
@pytest.mark.parametrize(
    "batch_size", [64, 700, 5000]
)  # blocks within an epoch; epochs within a block; one step each
def test_a_real_race_times_each_library_alike_and_leaves_no_trace(batch_size, monkeypatch):
    monkeypatch.setattr(products, "WORTH_IT", 1)
    used, real = [], products.product
    monkeypatch.setattr(products, "product", lambda *rest: used.append(1) or real(*rest))
    settings = making.experiment(compute=AUTO, batch_size=batch_size, model={"hidden": (16,)})
    before = torch.get_rng_state()
    steps = []
    found = choosing.race(EAGER, settings, DIGITS, lambda: steps.append(len(used)) or False)
    assert torch.equal(torch.get_rng_state(), before)
    multiplied = sum(later > earlier for earlier, later in zip([0, *steps[:-1]], steps, strict=True))
    assert multiplied == len(steps) / 2
    assert found.torch > 0
    assert found.onednn > 0


def test_another_process_that_comes_and_goes_does_not_decide(monkeypatch):
    """The clock says that some blocks took ten times as long, whichever library was at work in them."""
    settings = making.experiment()
    clock = choosing._Clock(choosing._trainer(EAGER, settings, DIGITS), lambda: False)
    slow = {choosing.BLOCK * block + step for block in (3, 4, 9) for step in range(choosing.BLOCK)}
    monkeypatch.setattr(choosing.time, "perf_counter", lambda: 0.0)
    for number, library in enumerate(choosing._plan()):
        took = (0.8 if library == "onednn" else 1.0) * (10 if number in slow else 1)
        monkeypatch.setattr(choosing.time, "perf_counter", lambda took=took: clock._since + took)
        clock()
    assert clock.outcome(1).ahead == pytest.approx(1.25)


def test_a_stop_ends_the_trial_at_the_next_step(monkeypatch):
    monkeypatch.setattr(products, "AVAILABLE", True)
    monkeypatch.setattr(products, "WORTH_IT", 1)
    asked = []

    def stop():
        asked.append(1)
        return len(asked) >= 3

    chosen, why = choose(making.experiment(**LONG), DIGITS, HELD_OUT, stop)
    assert len(asked) == 3
    assert chosen == EAGER
    assert "asked to stop" in why


# --- going on as before -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "available", "then"),
    [
        ("auto", True, "onednn"),
        ("auto", False, "torch"),
        ("torch", True, "torch"),
        ("onednn", True, "onednn"),
        ("onednn", False, "torch"),
    ],
)
def test_a_run_goes_on_as_it_has_computed_before(chosen, available, then, monkeypatch):
    """A folder from before there was a choice names none: it has computed in oneDNN wherever that was to be had."""
    monkeypatch.setattr(products, "AVAILABLE", available)
    monkeypatch.setattr(products, "missing", lambda: "" if available else "no AVX-512")
    before = EAGER.model_copy(update={"products": chosen})
    after, why = as_before(before)
    assert after == EAGER.model_copy(update={"products": then})
    assert ("no AVX-512" in why) == (chosen == "onednn" and not available)
