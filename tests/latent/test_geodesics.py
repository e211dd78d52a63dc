"""Geodesics: on surfaces where they are known, on linear decoders, across cliffs, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from vae_core.errors import PathError, Stopped
from vae_core.latent import paths
from vae_core.latent.pace import distances

F = np.float32


def sphere(z):
    theta, phi = z.unbind(1)
    return torch.stack((theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()), 1)


def paraboloid(z):
    return torch.cat((z, z.square().sum(1, keepdim=True)), 1)


def network(latent, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(latent, 32), nn.Tanh(), nn.Linear(32, 60), nn.Sigmoid()).eval()


def energy(decode, path):
    with torch.no_grad():
        images = decode(torch.from_numpy(path)).flatten(1).double()
    return float(images.diff(dim=0).square().sum()) * (len(path) - 1)


def test_along_a_meridian_of_a_paraboloid():
    found = paths.geodesic(paraboloid, np.array([0.24, 0.18]), np.array([1.2, 0.9]), 64)

    def arc(x):  # of y = x^2 from 0
        return x * np.sqrt(1 + 4 * x * x) / 2 + np.arcsinh(2 * x) / 4

    assert found.length == pytest.approx(arc(1.5) - arc(0.3), rel=1e-2)
    np.testing.assert_allclose(found.codes[:, 1] / found.codes[:, 0], 0.75, atol=1e-2)


@pytest.mark.parametrize(
    "ends", [((1.0, 0.2), (1.3, 1.8)), ((0.5, 0.0), (0.8, 2.5)), ((2.4, 0.3), (1.1, 1.9))]
)
def test_a_great_circle_of_the_sphere(ends):
    a, b = np.array(ends, F)
    x, y = sphere(torch.from_numpy(np.stack((a, b)))).double().numpy()
    found = paths.geodesic(sphere, a, b, 64)
    assert found.length == pytest.approx(float(np.arccos(x @ y)), rel=1e-2)
    assert found.straight_length > found.length
    with torch.no_grad():
        on_sphere = sphere(torch.from_numpy(found.codes)).double().numpy()
    np.testing.assert_allclose(on_sphere @ np.cross(x, y), 0, atol=2e-2)  # in the plane of the great circle
    assert paths.speed(sphere, found.codes).ratio < 1.1


@pytest.mark.parametrize("latent", [2, 5, 20])
@pytest.mark.parametrize("count", [2, 3, 17, 64])
def test_never_above_the_straight_line_and_ends_exact(latent, count):
    decode = network(latent)
    a, b = (np.random.default_rng(latent).normal(size=(2, latent)) * 3).astype(F)
    found = paths.geodesic(decode, a, b, count)
    straight = paths.linear(a, b, count)
    assert found.codes.shape == straight.shape
    assert energy(decode, found.codes) <= energy(decode, straight) * (1 + 1e-9)
    assert found.energy == pytest.approx(energy(decode, found.codes), rel=1e-5)
    assert found.straight_energy == pytest.approx(energy(decode, straight), rel=1e-5)
    assert found.energy >= found.length**2 * (1 - 1e-6)
    assert found.codes[0].tobytes() == a.tobytes()
    assert found.codes[-1].tobytes() == b.tobytes()
    if count > 3:
        assert found.energy < found.straight_energy


@pytest.mark.parametrize("latent", [2, 5, 20])
def test_of_a_linear_decoder_it_is_the_straight_line(latent):
    torch.manual_seed(0)
    decode = nn.Linear(latent, 30)
    a, b = np.random.default_rng(0).normal(size=(2, latent)).astype(F)
    found = paths.geodesic(decode, a, b, 64)
    assert found.energy == pytest.approx(found.straight_energy, rel=1e-6)
    np.testing.assert_allclose(found.codes, paths.linear(a, b, 64), atol=1e-3)


def hill(z):
    """A plain with a hill between the ends that is long to climb: around it is shorter."""
    height = 6 * torch.exp(-4 * (z[:, :1].square() + (z[:, 1:] - 0.1).square()))
    return torch.cat((z, height), 1)


def test_it_goes_round_a_hill():
    a, b = (
        np.array([-2.0, 0.1], F),
        np.array([2.0, 0.1], F),
    )  # straight over the top, where both sides are alike
    found = paths.geodesic(hill, a, b, 64)
    assert found.straight_length > 12
    assert found.length < 5.5
    assert np.abs(found.codes[:, 1] - 0.1).max() > 0.5


def test_it_does_not_jump_where_nobody_looks():
    def bend(z):  # pictures far along a curve are close to each other in space, but not along the curve
        turn = 6 * torch.sigmoid(40 * z[:, :1])
        return torch.cat((z, 3 * turn.cos(), 3 * turn.sin()), 1)

    found = paths.geodesic(bend, np.array([-1.0, 0], F), np.array([1.0, 0], F), 64)
    t = np.linspace(0, 63, 63 * 50 + 1)
    dense = np.stack([np.interp(t, np.arange(64), column) for column in found.codes.T], 1).astype(F)
    assert found.length == pytest.approx(distances(bend, dense)[0].sum(), rel=0.02)


def test_a_start_of_ones_own_is_used():
    a, b = np.array([-2.0, 0.1, 0], F), np.array([2.0, 0.1, 0], F)

    def high(z):
        return torch.cat((hill(z[:, :2]), z[:, 2:]), 1)

    detour = paths.through([a, np.array([0, 2.0, 0], F), b], paths.linear, 9)
    assert paths.geodesic(high, a, b, 32, starts=[detour]).length < 5.5


def test_progress_rises_to_one_and_stopping_stops():
    heard = []
    a, b = np.array([1.0, 0.2]), np.array([1.3, 1.8])
    paths.geodesic(sphere, a, b, 40, on_progress=heard.append)
    assert heard == sorted(heard)
    assert heard[0] >= 0
    assert heard[-1] == 1
    with pytest.raises(Stopped, match=r"^The geodesic was stopped"):
        paths.geodesic(sphere, a, b, 40, should_stop=lambda: True)


def test_gradients_and_parameters_are_left_alone():
    decode = network(2)
    with torch.inference_mode():
        paths.geodesic(decode, np.zeros(2), np.ones(2), 10)
    assert all(parameter.grad is None for parameter in decode.parameters())


def test_bad_input_is_one_clear_sentence():
    a, b = np.zeros(2), np.ones(2)
    with pytest.raises(PathError, match=r"^In one latent dimension every path is the straight line"):
        paths.geodesic(torch.sin, a[:1], b[:1], 5)
    with pytest.raises(PathError, match=r"begins and ends at the same code"):
        paths.geodesic(torch.sin, a, a, 5)
    with pytest.raises(PathError, match=r"^The first code of the path holds NaN"):
        paths.geodesic(torch.sin, a * np.nan, b, 5)
    with pytest.raises(PathError, match=r"^This decoder has no derivatives"):
        paths.geodesic(lambda z: z.detach(), a, b, 5)
    with pytest.raises(PathError, match=r"^The decoder gives NaN or infinity"):
        paths.geodesic(lambda z: z / 0 * 0, a, b, 5)
