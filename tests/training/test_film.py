"""The film follows the codes: the plane is that of their PCA, and does not jump from epoch to epoch."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA

from vae_core.latent.codes import ReferenceCodes
from vae_core.training.film import one_of_each, project, rotation


def codes(mean, log_variance=None):
    count = len(mean)
    return ReferenceCodes(mean, log_variance, torch.zeros(count, dtype=torch.int64), None)


def blob(latent_dim, seed=0, count=400):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, latent_dim, generator=generator) * torch.arange(latent_dim, 0, -1)


def turned(points, degrees, mirror=False):
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (points * torch.tensor([1.0, -1.0 if mirror else 1.0])) @ turn.T


@pytest.mark.parametrize("latent_dim", [3, 10])
def test_more_dimensions_are_shown_in_the_plane_of_their_pca(latent_dim):
    mean = blob(latent_dim)
    points, explained = project(codes(mean), None)
    reference = PCA(2).fit(mean.numpy())
    expected = reference.transform(mean.numpy())
    assert float(explained) == pytest.approx(reference.explained_variance_ratio_.sum(), rel=1e-4)
    for mine, its in zip(points.T.numpy(), expected.T, strict=True):
        assert abs(np.corrcoef(mine, its)[0, 1]) == pytest.approx(1, abs=1e-4)
        assert mine.std() == pytest.approx(its.std(), rel=1e-3)


@pytest.mark.parametrize("degrees", [0, 37, 180, 300])
@pytest.mark.parametrize("mirror", [False, True])
def test_the_plane_turns_back_to_where_it_was(degrees, mirror):
    mean = blob(5)
    points, _ = project(codes(mean), None)
    again, _ = project(codes(mean), turned(points, degrees, mirror))
    torch.testing.assert_close(again, turned(points, degrees, mirror), atol=1e-3, rtol=1e-3)


def test_the_rotation_is_the_one_that_scipy_finds():
    points, target = blob(2, seed=1), blob(2, seed=2)
    expected, _ = orthogonal_procrustes(points.double().numpy(), target.double().numpy())
    torch.testing.assert_close(rotation(points.double(), target.double()), torch.from_numpy(expected))


def test_two_dimensions_are_shown_as_they_are_and_one_with_its_spread():
    plane = blob(2)
    points, explained = project(codes(plane), blob(2, seed=5))
    assert torch.equal(points, plane)
    assert float(explained) == 1
    line = blob(1)
    points, _ = project(codes(line, torch.full_like(line, math.log(0.25))), None)
    assert torch.equal(points[:, :1], line)
    torch.testing.assert_close(points[:, 1], torch.full((len(line),), 0.5))


def test_codes_that_are_all_the_same_are_one_point():
    points, explained = project(codes(torch.ones(50, 4)), None)
    assert torch.equal(points, torch.zeros(50, 2))
    assert float(explained) == 0


def test_items_take_the_classes_in_turn():
    labels = torch.tensor([2, 2, 2, 0, 0, 1])
    assert labels[one_of_each(labels, 6)].tolist() == [0, 1, 2, 0, 2, 2]
    assert one_of_each(labels, 6).tolist() == [3, 5, 0, 4, 1, 2]
    assert one_of_each(torch.full((5,), -1), 3).tolist() == [0, 1, 2]
