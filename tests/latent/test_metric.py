"""The pullback metric, against surfaces whose metric is in every textbook."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from vae_core.checkpoint import load
from vae_core.latent import metric
from vae_core.latent.metric import largest_stretch, magnification, pullback

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"


def sphere(z: Tensor) -> Tensor:
    """Colatitude and longitude to the unit sphere: G = diag(1, sin^2)."""
    theta, phi = z.unbind(1)
    return torch.stack((theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()), 1)


def test_the_metric_of_the_sphere() -> None:
    z = torch.rand(9, 2, generator=torch.Generator().manual_seed(0)) * 3
    found = pullback(sphere, z)
    expected = torch.diag_embed(torch.stack((torch.ones(9), z[:, 0].sin() ** 2), 1))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(magnification(found), z[:, 0].sin().abs(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(largest_stretch(found), torch.ones(9))


def test_the_metric_of_a_linear_map_is_that_of_its_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    z = torch.randn(7, 4, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(metric, "FLOATS", 500)  # two codes at a time
    found = pullback(lambda z: (z @ matrix.T).unflatten(1, (5, 10)), z)
    torch.testing.assert_close(found, (matrix.T @ matrix).expand(7, 4, 4), rtol=1e-4, atol=1e-4)
    values = torch.linalg.svdvals(matrix)
    torch.testing.assert_close(magnification(found), values.prod().expand(7), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(largest_stretch(found), values[0].expand(7), rtol=1e-4, atol=1e-4)


def test_a_direction_that_changes_nothing_has_no_area() -> None:
    found = pullback(lambda z: z[:, :1] * torch.ones(3), torch.zeros(2, 2))
    assert magnification(found).tolist() == [0, 0]
    torch.testing.assert_close(largest_stretch(found), torch.full((2,), 3**0.5))


def polar(z: Tensor) -> Tensor:
    """Radius and angle to the plane, three times as large: areas grow by 9 r, lengths by 3 max(1, r)."""
    r, angle = z.unbind(1)
    return 3 * torch.stack((r * angle.cos(), r * angle.sin()), 1)


def test_the_polar_map_stretches_as_the_radius() -> None:
    r = torch.tensor([0.2, 0.5, 1.0, 2.0, 4.0])
    found = pullback(polar, torch.stack((r, torch.linspace(-3, 3, 5)), 1))
    torch.testing.assert_close(magnification(found), 9 * r, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(largest_stretch(found), 3 * r.clamp_min(1), rtol=1e-4, atol=1e-4)


def test_a_fold_has_no_area_just_where_it_is() -> None:
    """The paper is creased at z1 = 0.4, the crease rounded: f = (sqrt((z1 - 0.4)^2 + s^2), z2)."""
    crease, rounding = 0.4, 0.05

    def fold(z: Tensor) -> Tensor:
        return torch.stack((((z[:, 0] - crease).square() + rounding**2).sqrt(), z[:, 1]), 1)

    at = torch.linspace(-1, 1, 201)
    found = magnification(pullback(fold, torch.stack((at, torch.ones(201)), 1)))
    assert at[found.argmin()].item() == pytest.approx(crease, abs=1e-6)
    assert found.min() < 1e-3
    off = at - crease
    expected = off.abs() / (off.square() + rounding**2).sqrt()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert largest_stretch(pullback(fold, torch.tensor([[crease, 1.0]]))).item() == pytest.approx(1)


def test_a_tear_is_a_cliff_as_steep_as_it_is_and_where_it_is() -> None:
    """A picture of 20 pixels, each tanh((z1 + 0.3) / w): the stretch at the tear is sqrt(20) / w."""
    width = 0.01
    at = torch.linspace(-1, 1, 2001)
    codes = torch.stack((at, torch.zeros(2001)), 1)
    found = largest_stretch(pullback(lambda z: ((z[:, :1] + 0.3) / width).tanh().expand(-1, 20), codes))
    assert at[found.argmax()].item() == pytest.approx(-0.3, abs=2e-3)
    assert found.max().item() == pytest.approx(20**0.5 / width, rel=0.02)
    assert found[at > 0].max() < 1e-3 * found.max()


def test_directions_give_the_metric_of_the_plane_they_span() -> None:
    matrix = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    axes = torch.linalg.qr(torch.randn(5, 2, generator=torch.Generator().manual_seed(1)))[0].T

    def wave(z: Tensor) -> Tensor:
        return (z @ matrix.T).sin()

    z = torch.randn(6, 5, generator=torch.Generator().manual_seed(2))
    whole, inside = pullback(wave, z), pullback(wave, z, axes)
    torch.testing.assert_close(inside, axes @ whole @ axes.T, rtol=1e-4, atol=1e-4)
    assert (largest_stretch(inside) <= largest_stretch(whole) + 1e-5).all()
    torch.testing.assert_close(pullback(wave, z, torch.eye(5)), whole)
    assert pullback(wave, z[:0], axes).shape == (0, 2, 2)


@pytest.mark.parametrize("name", ["mnist-vae-2d", "sprites-vae-10d"])
def test_a_networks_metric_is_that_of_its_full_jacobian(name: str) -> None:
    model = load(CHECKPOINTS / f"{name}.safetensors").model.requires_grad_(False)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    z = torch.randn(2, model.latent_dim, generator=torch.Generator().manual_seed(0))
    jacobian = vmap(jacrev(lambda one: model.decode(one[None]).mean.flatten()))(z)
    found = pullback(lambda z: model.decode(z).mean, z)
    torch.testing.assert_close(found, jacobian.mT @ jacobian, rtol=1e-3, atol=1e-4)
    longest = torch.linalg.matrix_norm(jacobian, 2)
    torch.testing.assert_close(largest_stretch(found), longest, rtol=1e-3, atol=1e-4)


def test_a_decoder_that_answers_every_code_alike_is_flat() -> None:
    for constant in (lambda z: torch.full((len(z), 1, 4, 4), 0.5), lambda z: 0 * z + 1):
        found = pullback(constant, torch.randn(5, 2))
        assert found.tolist() == torch.zeros(5, 2, 2).tolist()
        assert largest_stretch(found).tolist() == magnification(found).tolist() == [0] * 5


def test_one_dimension_has_one_stretch() -> None:
    found = pullback(lambda z: torch.cat((z.sin(), z.cos() * 2), 1), torch.tensor([[0.0], [torch.pi / 2]]))
    torch.testing.assert_close(largest_stretch(found), torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(magnification(found), torch.tensor([1.0, 2.0]))


def test_threads_get_the_same_answer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric, "FLOATS", 6)  # one code at a time, so that threads meet
    z = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    expected, found = pullback(sphere, z), []

    def work() -> None:
        with torch.inference_mode():
            found.append(pullback(sphere, z))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(each, expected) for each in found)


def test_no_code_has_no_metric_and_inference_mode_does_no_harm() -> None:
    assert pullback(sphere, torch.zeros(0, 2)).shape == (0, 2, 2)
    with torch.inference_mode():
        assert pullback(sphere, torch.ones(1, 2)).shape == (1, 2, 2)


def test_a_user_sees_no_warning() -> None:
    program = (
        "import torch; from vae_core.latent.metric import pullback; pullback(torch.sin, torch.ones(1, 2))"
    )
    subprocess.run([sys.executable, "-W", "error::DeprecationWarning:torch", "-c", program], check=True)
