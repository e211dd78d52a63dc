"""The pullback metric, against surfaces whose metric is in every textbook."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from vae_core.latent import metric
from vae_core.latent.metric import largest_stretch, magnification, pullback


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


def test_no_code_has_no_metric_and_inference_mode_does_no_harm() -> None:
    assert pullback(sphere, torch.zeros(0, 2)).shape == (0, 2, 2)
    with torch.inference_mode():
        assert pullback(sphere, torch.ones(1, 2)).shape == (1, 2, 2)


def test_a_user_sees_no_warning() -> None:
    program = (
        "import torch; from vae_core.latent.metric import pullback; pullback(torch.sin, torch.ones(1, 2))"
    )
    subprocess.run([sys.executable, "-W", "error::DeprecationWarning:torch", "-c", program], check=True)
