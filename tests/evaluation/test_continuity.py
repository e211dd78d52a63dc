"""Continuity where it is known: linear decoders, ramps, planted tears; and VAE against autoencoder."""

import math
from pathlib import Path

import pytest
import torch
from scipy.integrate import quad

from vae_core import checkpoint, data
from vae_core.config import DataConfig, ModelConfig
from vae_core.errors import MeasureError, Stopped
from vae_core.evaluation.continuity import continuity, evenness
from vae_core.models import PCA

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def codes(n=200, latent=2, seed=0):
    return torch.randn(n, latent, generator=generator(seed))


def line(start, end, steps=256):
    return torch.lerp(
        torch.tensor(start), torch.tensor(end), torch.linspace(0, 1, steps + 1)[:, None].expand(-1, 2)
    )


def tear(width):
    return lambda z: torch.tanh(z[:, :1] / width)


def tear_evenness(a, b, width):
    """L^2 / E of tanh(z / width) from z = a to z = b, by quadrature."""

    def rate(t):
        return (b - a) / width * (1 - math.tanh((a + (b - a) * t) / width) ** 2)

    middle = [a / (a - b)] if a * b < 0 else None
    length, energy = (quad(lambda t, p=p: abs(rate(t)) ** p, 0, 1, points=middle)[0] for p in (1, 2))
    return length**2 / energy


# --- lines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [0.05, 0.2, 1.0])
@pytest.mark.parametrize(("a", "b"), [(-1.0, 1.0), (-0.3, 2.0), (0.1, 0.9)])
def test_a_tear_has_the_evenness_of_quadrature(width, a, b):
    found = float(evenness(tear(width), line((a, 0.0), (b, 1.0))))
    assert found == pytest.approx(tear_evenness(a, b, width), rel=0.02)


@pytest.mark.parametrize("share", [0.125, 0.25, 0.5, 1.0])
def test_all_change_within_a_share_of_the_line_gives_that_share(share):
    found = evenness(lambda z: z[:, :1].clamp(0, share), line((0.0, 0.0), (1.0, 0.0)))
    assert float(found) == pytest.approx(share, rel=1e-3)


def test_turning_at_constant_speed_is_even():
    assert float(
        evenness(lambda z: torch.stack([z[:, 0].cos(), z[:, 0].sin()], 1), line((0.0, 0.0), (6.0, 0.0)))
    ) == pytest.approx(1, abs=1e-5)


def test_a_line_without_change_has_no_evenness():
    assert evenness(lambda z: z[:, 1:] * 0 + 7, line((0.0, 0.0), (1.0, 0.0))) is None
    assert evenness(lambda z: z[:, :1] * 1e-9 + 7, line((0.0, 0.0), (1.0, 0.0))) is None


# --- models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent", [1, 2, 10])
def test_a_linear_decoder_has_continuity_one(latent):
    weight = torch.randn(latent, 3 * 4 * 4, generator=generator(5))
    found = continuity(
        lambda z: (z @ weight + 0.5).unflatten(1, (3, 4, 4)), codes(latent=latent), generator(), lines=50
    )
    assert found.value == pytest.approx(1, abs=1e-6)
    assert found.low == pytest.approx(1, abs=1e-6)
    assert found.high <= 1


def test_a_pca_has_continuity_one():
    digits = data.load(DataConfig(name="digits"), "held-out").examples.float() / 255
    model = PCA.fit(
        ModelConfig(kind="pca", data_shape=(1, 8, 8), latent_dim=5, likelihood="gaussian"), digits
    )
    found = continuity(lambda z: model.decode(z).mean, model.encode(digits).mean, generator(), lines=30)
    assert found.value == pytest.approx(1, abs=1e-6)


def test_a_torn_model_has_the_mean_over_all_its_lines():
    z, width = codes(60), 0.3
    expected = torch.tensor(
        [
            tear_evenness(float(a), float(b), width)
            for i, a in enumerate(z[:, 0])
            for b in z[i + 1 :: 7, 0]  # every seventh pair is enough
        ]
    )
    found = [continuity(tear(width), z, generator(seed), lines=30) for seed in range(20)]
    values = torch.tensor([each.value for each in found])
    assert values.mean() == pytest.approx(expected.mean().item(), rel=0.02)
    covered = sum(each.low <= expected.mean() <= each.high for each in found)
    assert covered >= 17


def test_scales_of_codes_and_images_change_nothing():
    z = codes()
    one = continuity(tear(0.3), z, generator(), lines=40)
    other = continuity(lambda z: 30 * tear(3.0)(z), 10 * z, generator(), lines=40)
    assert other.value == pytest.approx(one.value, rel=1e-4)


def test_a_dead_dimension_changes_nothing():
    z = codes(latent=3)
    shifted = z + torch.tensor([0, 0, 1.0]) * torch.arange(200)[:, None]
    one, other = (continuity(tear(0.3), each, generator(), lines=40) for each in (z, shifted))
    assert other.value == pytest.approx(one.value, abs=1e-6)


def test_the_same_seed_gives_the_same_figure_and_no_other_generator_is_touched():
    before = torch.get_rng_state()
    one, again, other = (continuity(tear(0.3), codes(), generator(seed), lines=20) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert torch.equal(torch.get_rng_state(), before)


def test_the_vae_is_ahead_of_the_autoencoder():
    found = {}
    for name in ("mnist-vae-2d", "mnist-ae-2d"):
        loaded = checkpoint.load(CHECKPOINTS / f"{name}.safetensors")
        found[name] = continuity(
            lambda z, loaded=loaded: loaded.model.decode(z).mean, loaded.reference.mean, generator(), 80
        )
    assert found["mnist-vae-2d"].low > found["mnist-ae-2d"].high


# --- limits -----------------------------------------------------------------------------------------------------


def test_few_codes_make_few_lines():
    heard = []
    continuity(tear(0.3), codes(9), generator(), on_progress=heard.append)
    assert heard == [0.25, 0.5, 0.75, 1.0]
    with pytest.raises(MeasureError, match="at least 4 encoded codes, and there are 3"):
        continuity(tear(0.3), codes(3), generator())


def test_a_constant_decoder_is_one_sentence():
    with pytest.raises(MeasureError, match="the same everywhere"):
        continuity(lambda z: z.new_full((len(z), 1, 8, 8), 0.3), codes(), generator(), lines=5)


def test_it_stops_when_asked():
    heard = []
    with pytest.raises(Stopped, match="after 3 of 20 lines"):
        continuity(tear(0.3), codes(), generator(), 20, 8, heard.append, lambda: len(heard) == 3)
