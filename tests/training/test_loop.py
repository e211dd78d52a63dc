"""Training lowers the loss, repeats exactly, stops when asked, and never leaves broken weights behind."""

import math
from dataclasses import replace
from itertools import chain

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from vae_core import data, objectives
from vae_core.config import DataConfig, ModelConfig, ObjectiveConfig, TrainingConfig
from vae_core.errors import NonFiniteLoss, TrainingError
from vae_core.evaluation.likelihood import evaluate
from vae_core.models import build
from vae_core.objectives import Parts
from vae_core.training.loop import Trainer

DIGITS = data.load(DataConfig(name="digits"), "train").examples
HELD_OUT = data.load(DataConfig(name="digits"), "held-out").examples


def trainer(images=DIGITS, seed=0, kind="vae", architecture="mlp", objective=None, **settings):
    hidden = (32,) if architecture == "mlp" else (8, 16, 32)
    model = build(
        ModelConfig(kind=kind, data_shape=(1, 8, 8), architecture=architecture, hidden=hidden), seed
    )
    config = TrainingConfig(**({"epochs": 5, "batch_size": 64, "seed": seed} | settings))
    return Trainer(model, images, objective or ObjectiveConfig(), config)


def run_epochs(run, count):
    return [run.run_epoch() for _ in range(count)]


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def finite(model):
    return all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


def elbo(model):
    return evaluate(model, HELD_OUT, torch.Generator().manual_seed(0))["elbo"]


# --- learning -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_digits_are_learned(architecture):
    run = trainer(architecture=architecture, learning_rate=3e-3)
    before = elbo(run.model)
    reports = run_epochs(run, 3)
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert not any(report.stopped for report in reports)
    assert reports[-1].elbo > reports[0].elbo + 1
    after = elbo(run.trained())
    assert after > before + 10  # nats per image; on data it has not seen
    # What training reports is what the evaluation finds, up to the difference between the splits.
    assert reports[-1].elbo == pytest.approx(after, rel=0.1)


def test_an_autoencoder_learns_and_reports_no_kl():
    run = trainer(kind="autoencoder", learning_rate=3e-3)
    reports = run_epochs(run, 3)
    assert reports[-1].reconstruction > reports[0].reconstruction + 1
    assert [report.kl for report in reports] == [0, 0, 0]


def test_a_heavier_kl_term_gives_a_smaller_kl():
    light, heavy = (run_epochs(trainer(objective=ObjectiveConfig(beta=beta)), 3)[-1] for beta in (0.1, 10.0))
    assert heavy.kl < light.kl / 2


def test_beta_rises_from_zero_over_the_warm_up_and_stays():
    run = trainer(DIGITS[:64], objective=ObjectiveConfig(beta=3.0, warmup_epochs=3))
    assert [run.run_epoch().beta for _ in range(5)] == pytest.approx([0, 1, 2, 3, 3])


def test_the_cosine_schedule_falls_from_the_learning_rate_to_nearly_nothing():
    rates: list[float] = []
    run = trainer(DIGITS[:640], epochs=4, learning_rate=0.01)
    for _ in range(4):
        run.run_epoch(should_stop=lambda: rates.append(run.optimizer.param_groups[0]["lr"]) or False)
    assert len(rates) == 40
    assert rates[0] == 0.01
    assert rates[20] == pytest.approx(0.005)
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 1e-4


def test_the_constant_schedule_keeps_the_learning_rate():
    run = trainer(DIGITS[:64], schedule="constant", learning_rate=0.01)
    run.run_epoch()
    run.run_epoch()
    assert run.optimizer.param_groups[0]["lr"] == 0.01


def test_every_example_is_seen_once_per_epoch_in_another_order(monkeypatch):
    # Example i is all of grey level i, so a batch says which examples it holds.
    images = torch.arange(100, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()
    run, seen, real = trainer(images, batch_size=32), [], objectives.parts

    def watched(config, model, x, *others):
        seen.append((x[:, 0, 0, 0] * 255).round().int().tolist())
        return real(config, model, x, *others)

    monkeypatch.setattr(objectives, "parts", watched)
    run.run_epoch()
    run.run_epoch()
    assert [len(batch) for batch in seen] == [32, 32, 32, 4] * 2
    first, second = ([*chain(*batches)] for batches in (seen[:4], seen[4:]))
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert first != list(range(100))


def test_the_images_are_left_as_they_are():
    images = DIGITS[:100].clone()
    trainer(images).run_epoch()
    assert torch.equal(images, DIGITS[:100])


# --- repeating ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{}, {"architecture": "conv"}, {"averaging": 0.9}, {"kind": "autoencoder"}]
)
def test_the_same_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others(settings):
    results = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(results))  # the global generator has no say
        torch.rand(1)
        run = trainer(DIGITS[:300], seed=seed, **settings)
        run.run_epoch()
        run.run_epoch()
        results.append(weights(run.trained()))
    first, again, other = results
    assert same(first, again)
    assert not any(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(
    "settings", [{}, {"architecture": "conv"}, {"averaging": 0.9}, {"kind": "autoencoder"}]
)
def test_a_state_that_went_through_a_file_goes_on_bit_for_bit(settings):
    run, other = (trainer(DIGITS[:300], **settings) for _ in range(2))
    run.run_epoch()
    other.restore(load(save(run.state())))
    for each in (run, other):
        each.run_epoch()
    assert same(weights(run.trained()), weights(other.trained()))
    assert same(run.state(), other.state())


def test_training_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    trainer(DIGITS[:100]).run_epoch()
    assert torch.equal(torch.get_rng_state(), before)


def test_watching_changes_nothing():
    watched, alone = trainer(DIGITS[:300]), trainer(DIGITS[:300])
    watched.run_epoch(on_progress=lambda progress: None, should_stop=lambda: False)
    alone.run_epoch()
    assert same(weights(watched.model), weights(alone.model))


# --- averaging ----------------------------------------------------------------------------------------------


def test_averaged_weights_are_others_and_about_as_good():
    constant = {"schedule": "constant", "learning_rate": 3e-3}
    run, plain = (trainer(averaging=averaging, **constant) for averaging in (0.9, 0.0))
    run_epochs(run, 4)
    run_epochs(plain, 4)
    assert plain.trained() is plain.model
    assert run.trained() is not run.model
    assert same(weights(run.model), weights(plain.model))  # averaging watches; it does not steer
    assert finite(run.trained())
    assert not any(torch.equal(weights(run.trained())[n], t) for n, t in weights(run.model).items())
    assert elbo(run.trained()) > elbo(run.model) - 1
    assert not run.trained().training


def test_the_average_lies_between_the_weights_it_was_made_of():
    run = trainer(DIGITS[:320], averaging=0.5, schedule="constant")
    seen = []
    run.run_epoch(should_stop=lambda: seen.append(weights(run.model)) or False)
    for name, kept in weights(run.trained()).items():
        steps = torch.stack([step[name] for step in seen])
        assert (kept >= steps.amin(0) - 1e-6).all(), name
        assert (kept <= steps.amax(0) + 1e-6).all(), name


# --- stopping and watching ----------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 2, 7])
def test_a_stop_is_obeyed_within_one_step(monkeypatch, after):
    steps, real = [], objectives.parts
    monkeypatch.setattr(objectives, "parts", lambda *args: steps.append(1) or real(*args))
    run = trainer()
    report = run.run_epoch(should_stop=lambda: len(steps) >= after)
    assert len(steps) == after
    assert report.stopped
    assert math.isfinite(report.elbo)
    assert finite(run.trained())


def test_progress_only_moves_forward():
    run, seen = trainer(DIGITS[:600], batch_size=4, epochs=2), []
    for _ in range(2):
        run.run_epoch(on_progress=seen.append)
    assert len(seen) >= 4
    places = [(progress.epoch, progress.examples) for progress in seen]
    assert places == sorted(set(places))
    assert {progress.epoch for progress in seen} == {1, 2}
    for progress in seen:
        assert progress.epochs == 2
        assert 0 < progress.examples <= progress.examples_per_epoch == 600


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (5, 1, 8, 9), (5, 3, 8, 8), (5, 1, 28, 28)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(TrainingError) as caught:
        trainer(torch.zeros(shape, dtype=torch.uint8))
    assert str(shape) in str(caught.value)
    assert "(1, 8, 8)" in str(caught.value)


# --- when numbers break -------------------------------------------------------------------------------------


def breaking(monkeypatch, step, spoil):
    """Let `spoil` have the parts of that training step (counted from 1) and of all that follow."""
    real, calls = objectives.parts, []

    def parts(*arguments):
        calls.append(1)
        found = real(*arguments)
        return replace(found, loss=spoil(found)) if len(calls) >= step else found

    monkeypatch.setattr(objectives, "parts", parts)


def nan_loss(parts: Parts) -> Tensor:
    return parts.loss * math.nan


def infinite_loss(parts: Parts) -> Tensor:
    return parts.loss + math.inf


def nan_gradient(parts: Parts) -> Tensor:
    """The same number, but going back through it is 0 * inf."""
    return parts.loss + (parts.loss * 0).abs().sqrt()


# 60 steps an epoch: the first, one in the middle, one between two looks at the loss, the last; one in the second.
@pytest.mark.parametrize("step", [1, 30, 52, 60, 61])
@pytest.mark.parametrize("spoil", [nan_loss, infinite_loss, nan_gradient])
@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_a_loss_that_breaks_is_reported_and_the_weights_stay_finite(monkeypatch, step, spoil, averaging):
    run = trainer(DIGITS[:240], batch_size=4, averaging=averaging)
    breaking(monkeypatch, step, spoil)
    with pytest.raises(NonFiniteLoss) as caught:
        run_epochs(run, 2)
    assert finite(run.model)
    assert finite(run.trained())
    assert "0.0001" in str(caught.value)  # a tenth of the learning rate
    assert f"epoch {run.epoch + 1}" in str(caught.value)
    monkeypatch.undo()
    assert math.isfinite(elbo(run.trained()))


def test_the_kept_weights_had_a_finite_loss():
    # Weights explode at once: the first step is taken with a finite loss, and leads where no loss is finite.
    run = trainer(DIGITS[:240], learning_rate=1.0, schedule="constant")
    step = run.optimizer.step

    def explode():
        step()
        with torch.no_grad():
            for parameter in run.model.parameters():
                parameter.mul_(1e12)

    run.optimizer.step = explode
    with pytest.raises(NonFiniteLoss):
        run.run_epoch()
    assert math.isfinite(elbo(run.trained()))


def test_breaking_late_keeps_what_was_learned_until_then(monkeypatch):
    run = trainer(learning_rate=3e-3)
    before = elbo(run.model)
    breaking(monkeypatch, 23 * 2 + 5, nan_loss)
    with pytest.raises(NonFiniteLoss):
        run_epochs(run, 3)
    monkeypatch.undo()
    assert run.epoch == 2
    assert elbo(run.trained()) > before + 5


def test_training_can_go_on_after_a_break(monkeypatch):
    run = trainer(DIGITS[:240])
    breaking(monkeypatch, 2, nan_loss)
    with pytest.raises(NonFiniteLoss):
        run.run_epoch()
    monkeypatch.undo()
    report = run.run_epoch()
    assert math.isfinite(report.elbo)
    assert finite(run.model)
