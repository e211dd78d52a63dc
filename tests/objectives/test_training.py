"""Every objective against the ELBO's own terms, bounds known otherwise, and what must not be drawn or charged."""

import itertools
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from vae_core import objectives
from vae_core.config import ModelConfig, ObjectiveConfig
from vae_core.evaluation.likelihood import importance_weighted_bound
from vae_core.models import build
from vae_core.objectives import Draws, draw, parts

SHAPE = (1, 8, 9)
LIKELIHOODS = ("bernoulli", "continuous-bernoulli", "gaussian", "gaussian-optimal")
OBJECTIVES = [
    ObjectiveConfig(),
    ObjectiveConfig(free_bits=0.2),
    ObjectiveConfig(objective="tcvae"),
    ObjectiveConfig(objective="mmd"),
    ObjectiveConfig(objective="iwae", samples=3),
    ObjectiveConfig(noise=0.3),
]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def model(kind="vae", likelihood="bernoulli", shape=SHAPE, **settings):
    settings = {"latent_dim": 3, "hidden": (16,)} | settings
    return build(ModelConfig(kind=kind, data_shape=shape, likelihood=likelihood, **settings))


def images(count=6, shape=SHAPE, seed=9):
    return torch.rand(count, *shape, generator=generator(seed))


def found(config, built, x, beta=1.0, seed=3, size=1000):
    draws = draw(config, built, len(x), generator(seed))
    return parts(config, built, x, draws, torch.tensor(beta), size)


def gradients(built, loss):
    built.zero_grad()
    loss.mean().backward()
    return [parameter.grad.clone() for parameter in built.parameters()]


# --- what is drawn ------------------------------------------------------------------------------------------


def state_after(*shapes):
    source = generator()
    for shape in shapes:
        torch.randn(shape, generator=source)
    return source.get_state()


@pytest.mark.parametrize(
    ("kind", "settings", "shapes"),
    [
        ("vae", {}, [(6, 3)]),
        ("vae", {"free_bits": 1.0}, [(6, 3)]),
        ("vae", {"objective": "tcvae"}, [(6, 3)]),
        ("vae", {"objective": "iwae", "samples": 4}, [(4, 6, 3)]),
        ("vae", {"objective": "mmd", "noise": 0.1}, [(6, 3), (6, *SHAPE), (6, 3)]),
        ("autoencoder", {}, []),
        ("autoencoder", {"objective": "mmd"}, [(6, 3)]),
        ("autoencoder", {"noise": 0.1}, [(6, *SHAPE)]),
    ],
)
def test_a_step_draws_what_it_needs_and_nothing_else(kind, settings, shapes):
    source, before = generator(), torch.get_rng_state()
    drawn = draw(ObjectiveConfig(**settings), model(kind), 6, source)
    assert torch.equal(source.get_state(), state_after(*shapes))
    assert torch.equal(torch.get_rng_state(), before)
    assert [tuple(t.shape) for t in vars(drawn).values() if t is not None] == shapes


def test_the_elbos_noise_is_the_one_that_terms_draws():
    drawn = draw(ObjectiveConfig(), model(), 6, generator(5))
    assert torch.equal(drawn.code, torch.randn((6, 3), generator=generator(5)))


@pytest.mark.parametrize("config", OBJECTIVES, ids=str)
def test_the_same_draws_give_the_same_parts_and_nothing_more_is_drawn(config):
    built, x = model(), images()
    draws, before = draw(config, built, len(x), generator()), torch.get_rng_state()
    first, again = (parts(config, built, x, draws, torch.tensor(0.7), 1000) for _ in range(2))
    assert torch.equal(first.loss, again.loss)
    assert torch.equal(torch.get_rng_state(), before)


# --- the ELBO -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", LIKELIHOODS[:3])
@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_elbo_is_that_of_the_distributions_and_so_are_its_gradients(kind, likelihood, beta):
    built, x = model(kind, likelihood), images()
    ours, theirs = found(ObjectiveConfig(), built, x, beta), objectives.terms(built, x, generator(3))
    for name in ("reconstruction", "kl"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(ours.loss, theirs.loss(beta), rtol=1e-5, atol=1e-4)
    for a, b in zip(gradients(built, ours.loss), gradients(built, theirs.loss(beta)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "likelihood"), list(itertools.product(OBJECTIVES, LIKELIHOODS)), ids=lambda v: str(v)
)
def test_every_objective_is_one_finite_number_per_example_and_reaches_every_weight(config, likelihood):
    built = model(likelihood=likelihood)
    result = found(config, built, images(), beta=0.5)
    for part in (result.loss, result.reconstruction, result.kl, *result.extra.values()):
        assert part.shape == (6,)
        assert part.isfinite().all()
    assert (result.squared_error is not None) == likelihood.startswith("gaussian")
    result.loss.mean().backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(("shape", "architecture"), [((7,), "mlp"), ((2, 19), "conv"), ((2, 19), "linear")])
def test_series_and_tables_train_too(shape, architecture):
    hidden = (4, 6, 16) if architecture == "conv" else (16,)
    built = model("vae", "gaussian-optimal", shape, architecture=architecture, hidden=hidden)
    x = 2 * torch.randn(20, *shape, generator=generator())
    optimizer = torch.optim.Adam(built.parameters(), 0.01)
    losses = []
    for step in range(60):
        loss = found(ObjectiveConfig(noise=0.1), built, x, seed=step).loss.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1


def test_the_squared_error_is_the_mean_over_pixels():
    built, x = model("autoencoder", "gaussian"), images()
    expected = [(built.decode(built.encode(x).mean).mean - x)[i].pow(2).mean().item() for i in range(6)]
    squared = found(ObjectiveConfig(), built, x).squared_error
    assert squared.tolist() == pytest.approx(expected)
    assert not squared.requires_grad


# --- the best variance --------------------------------------------------------------------------------------


def test_the_optimal_variance_explains_the_batch_best():
    built, x = model("autoencoder", "gaussian-optimal"), images()
    best = found(ObjectiveConfig(), built, x)
    for factor in (0.25, 0.9, 1.0, 1.1, 4.0):
        built.variance.copy_(best.squared_error.mean() * factor)  # what decode uses
        other = objectives.terms(built, x).reconstruction.mean().item()
        if factor == 1.0:
            assert other == pytest.approx(best.reconstruction.mean().item(), rel=1e-5)
        else:
            assert other < best.reconstruction.mean() - 0.01


def test_its_gradient_is_that_of_the_logarithm_of_the_squared_error():
    # With the best variance put in, -log p is n/2 log(mean squared error) and a constant, n pixels an image.
    built, x = model("autoencoder", "gaussian-optimal"), images()
    ours = gradients(built, found(ObjectiveConfig(), built, x).loss)
    error = (built.decode(built.encode(x).mean).mean - x).square().mean()
    theirs = gradients(built, 72 / 2 * error.log())
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_perfect_reconstruction_stays_finite():
    built = model("autoencoder", "gaussian-optimal")
    x = built.decode(built.encode(images()).mean).mean.detach()
    with torch.no_grad():
        for parameter in built.decoder.parameters():
            parameter.zero_()
    result = found(ObjectiveConfig(), built, torch.zeros_like(x))
    assert result.squared_error.eq(0).all()
    assert result.loss.isfinite().all()


# --- free bits ----------------------------------------------------------------------------------------------


def test_what_is_below_the_free_bits_is_not_charged_and_the_rest_is():
    built, x = model(), images()
    with torch.no_grad():
        built.mean.bias.copy_(torch.tensor([0.0, 3.0, 3.0]))  # dimension 0 stays near the prior
        built.std.weight.zero_()
        built.std.bias.fill_(torch.tensor(1.0).expm1().log())  # softplus of it is 1
    result = found(ObjectiveConfig(free_bits=1.0), built, x)
    per_dimension = objectives.terms(built, x, generator()).kl_per_dimension.mean(0)
    assert per_dimension[0] < 1 < per_dimension[1:].min()
    (result.loss + result.reconstruction).mean().backward()
    pull = built.mean.bias.grad
    assert pull[0] == 0
    assert (pull[1:] > 1).all()


def test_free_bits_charge_at_least_themselves_and_above_them_the_kl():
    built, x = model(), images()
    elbo = found(ObjectiveConfig(), built, x)
    much = found(ObjectiveConfig(free_bits=50.0), built, x)
    little = found(ObjectiveConfig(free_bits=1e-9), built, x)
    assert (much.loss + much.reconstruction).tolist() == pytest.approx([150.0] * 6)
    assert little.loss.mean().item() == pytest.approx(elbo.loss.mean().item(), rel=1e-6)
    assert torch.equal(much.kl, elbo.kl)  # what is reported is the KL itself


# --- total correlation --------------------------------------------------------------------------------------


def test_tcvae_with_beta_one_is_the_elbo():
    built, x = model(), images()
    plain, ours = (found(ObjectiveConfig(objective=name), built, x) for name in ("elbo", "tcvae"))
    torch.testing.assert_close(ours.loss, plain.loss)
    for a, b in zip(gradients(built, ours.loss), gradients(built, plain.loss), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_beta_weighs_the_total_correlation_only():
    built, x, config = model(), images(40), ObjectiveConfig(objective="tcvae")
    low, high = (found(config, built, x, beta) for beta in (1.0, 6.0))
    torch.testing.assert_close(high.loss - low.loss, 5 * low.extra["total_correlation"], rtol=1e-4, atol=1e-3)
    assert low.extra.keys() == {"mutual_information", "total_correlation", "dimension_kl"}


# --- maximum mean discrepancy -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vae", "autoencoder"])
def test_mmd_adds_its_weight_times_the_discrepancy(kind):
    built, x = model(kind), images(30)
    none, some = (found(ObjectiveConfig(objective="mmd", mmd_weight=w), built, x, 0.3) for w in (0.0, 20.0))
    elbo = found(ObjectiveConfig(), built, x, 0.3)
    torch.testing.assert_close(none.loss, elbo.loss)
    torch.testing.assert_close(some.loss - none.loss, 20 * some.extra["mmd"], rtol=1e-4, atol=1e-3)


def test_codes_far_from_the_prior_are_pulled_back():
    built, x = model("autoencoder"), images(30)
    with torch.no_grad():
        built.code.bias.fill_(3.0)
    heavy = ObjectiveConfig(objective="mmd", mmd_weight=1e5)
    found(heavy, built, x).loss.mean().backward()
    assert (built.code.bias.grad > 0).all()  # downhill is toward 0


# --- importance weights -------------------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", LIKELIHOODS[:3])
def test_iwae_is_the_bound_that_evaluation_computes(likelihood):
    built, x = model(likelihood=likelihood), images()
    ours = -found(ObjectiveConfig(objective="iwae", samples=7), built, x, seed=4).loss
    theirs = importance_weighted_bound(built, x, 7, generator(4), chunk=7)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-3)


def test_more_samples_tighten_the_bound_on_average():
    built, x = model(likelihood="gaussian"), images(8).repeat(100, 1, 1, 1)
    with torch.no_grad():
        losses = [
            found(ObjectiveConfig(objective="iwae", samples=samples), built, x, seed=samples).loss
            for samples in (1, 3, 10, 40)
        ]
    means = torch.stack([loss.reshape(100, 8).mean(0) for loss in losses])
    errors = torch.stack([loss.reshape(100, 8).std(0) / 10 for loss in losses])
    assert (means.diff(dim=0) < 3 * errors[:-1]).all()
    assert (means[0] - means[-1] > 5 * errors[0]).all()


def test_a_single_sample_is_the_elbo_on_average():
    built, x = model(), images(1).repeat(4000, 1, 1, 1)
    with torch.no_grad():
        one = found(ObjectiveConfig(objective="iwae", samples=1), built, x, seed=1)
        elbo = found(ObjectiveConfig(), built, x, seed=2)
    assert abs(one.loss.mean() - elbo.loss.mean()) < 5 * (one.loss.std() + elbo.loss.std()) / 4000**0.5
    torch.testing.assert_close(one.kl, elbo.kl)


# --- denoising ----------------------------------------------------------------------------------------------


def seen(built, config, x):
    """What reaches the encoder."""
    inputs = []
    handle = built.encoder.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    result = found(config, built, x)
    handle.remove()
    return inputs[0], result


def test_the_encoder_sees_noise_of_the_given_width():
    noisy, _ = seen(model(), ObjectiveConfig(noise=0.05), torch.full((100, *SHAPE), 0.5))
    assert noisy.mean().item() == pytest.approx(0.5, abs=0.003)
    assert noisy.std().item() == pytest.approx(0.05, rel=0.05)


def test_noisy_images_stay_images_and_noisy_series_are_not_cut():
    noisy, _ = seen(model(), ObjectiveConfig(noise=2.0), images())
    assert (noisy.min(), noisy.max()) == (0, 1)
    series = model(likelihood="gaussian", shape=(2, 20))
    noisy, _ = seen(series, ObjectiveConfig(noise=2.0), torch.zeros(50, 2, 20))
    assert noisy.std().item() == pytest.approx(2, rel=0.1)


def test_the_clean_example_is_what_has_to_be_reconstructed():
    built, x = model("autoencoder"), images()
    noisy, result = seen(built, ObjectiveConfig(noise=0.5), x)
    expected = built.decode(built.encode(noisy).mean).log_prob(x)
    torch.testing.assert_close(result.reconstruction, expected, rtol=1e-5, atol=1e-4)
    assert not torch.allclose(result.reconstruction, found(ObjectiveConfig(), built, x).reconstruction)


# --- compiled -----------------------------------------------------------------------------------------------


def test_a_step_is_traced_whole_and_once_whatever_beta_is():
    # In a process of its own, because there the shapes are not checked at every call.
    script = """
        import torch
        from vae_core.config import ModelConfig, ObjectiveConfig
        from vae_core.models import build
        from vae_core.objectives import Draws, draw, parts

        for likelihood, settings in (
            ("bernoulli", {}), ("gaussian-optimal", {"objective": "iwae"}), ("continuous-bernoulli", {"noise": 0.1}),
            ("gaussian", {"objective": "tcvae"}), ("gaussian-optimal", {"objective": "mmd"}),
            ("bernoulli", {"free_bits": 0.1}),
        ):
            torch._dynamo.reset()
            model = build(ModelConfig(data_shape=(1, 8, 8), hidden=(8,), likelihood=likelihood))
            config, graphs, x = ObjectiveConfig(**settings), [], torch.rand(5, 1, 8, 8)

            def backend(graph, inputs):
                graphs.append(graph)
                return graph

            @torch.compile(backend=backend, fullgraph=True)
            def step(x, code, corruption, prior, beta):
                return parts(config, model, x, Draws(code, corruption, prior), beta, 100).loss

            draws = draw(config, model, 5, torch.Generator().manual_seed(0))
            for beta in (torch.tensor(1.0), torch.tensor(0.3)):
                expected = parts(config, model, x, draws, beta, 100).loss
                assert torch.equal(step(x, *vars(draws).values(), beta), expected), settings
            assert len(graphs) == 1, settings
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_draws_can_be_shared_out():
    # Two processes that each take half of the noise see what one would.
    built, x, config = model(), images(), ObjectiveConfig(noise=0.2)
    whole = draw(config, built, 6, generator())
    together = parts(config, built, x, whole, torch.tensor(1.0), 6).loss
    halves = [
        parts(
            config, built, x[half], Draws(whole.code[half], whole.corruption[half]), torch.tensor(1.0), 6
        ).loss
        for half in (slice(0, 3), slice(3, 6))
    ]
    torch.testing.assert_close(torch.cat(halves), together)
