"""What the pages print of the models that come along, against other roads to the same numbers.

The data's own images are not at hand here, so that realism compares with reconstructions.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chi2, ncx2
from torch.func import jacfwd

from vae_core import checkpoint
from vae_core.evaluation.measures import MIN_GALLERY, Measures
from vae_core.latent.metric import make_forward_mode_ready

FOLDER = Path(__file__).parents[2] / "checkpoints"
K = 16  # neighbours of a data ratio


@pytest.fixture(scope="module", params=["mnist-vae-2d", "sprites-vae-10d"])
def case(request):
    """A model, its measures, and three places: the origin, a draw of the prior, an encoded example."""
    loaded = checkpoint.load(FOLDER / f"{request.param}.safetensors")
    latent = loaded.model.latent_dim
    draw = torch.randn(1, latent, generator=torch.Generator().manual_seed(3))
    codes = torch.cat([torch.zeros(1, latent), draw, loaded.reference.mean[5:6]])
    measures = Measures.of(loaded, lambda count: None)
    return loaded, codes, [measures.trust(code[None]) for code in codes.numpy()]


def decoded(model, codes):
    with torch.inference_mode():
        return torch.cat([model.decode(part).mean for part in codes.split(250)])


def test_stretch_and_magnification_are_of_the_jacobian_in_all_latent_directions(case):
    loaded, codes, found = case
    make_forward_mode_ready()
    for code, trust in zip(codes, found, strict=True):
        jacobian = jacfwd(lambda z: loaded.model.decode(z[None]).mean.flatten())(code).detach().double()
        values = torch.linalg.svdvals(jacobian)
        assert len(values) == loaded.model.latent_dim
        assert trust.stretch == pytest.approx(float(values[0]), rel=1e-3)
        assert trust.magnification == pytest.approx(float(values.prod()), rel=0.02)


def test_the_share_of_the_prior_within_is_chi_square(case):
    _, codes, found = case
    squares = codes.double().square().sum(1).numpy()
    expected = chi2.cdf(squares, codes.shape[1])
    assert [trust.percentile for trust in found] == pytest.approx(expected, rel=1e-6)


def test_data_are_counted_one_by_one_around_the_place(case):
    """Within the distance of the 16th of the N draws of q(z|x), against what the prior promises there."""
    loaded, codes, found = case
    reference = loaded.reference
    noise = torch.randn(reference.mean.shape, generator=torch.Generator().manual_seed(0))
    draws = (reference.mean + (0.5 * reference.log_variance).exp() * noise).double().numpy()
    for code, trust in zip(codes.double().numpy(), found, strict=True):
        squares = np.square(draws - code).sum(1)
        reach = np.sort(squares)[K - 1]
        assert (squares <= reach).sum() == K
        promised = len(draws) * ncx2.cdf(reach, len(code), max(np.square(code).sum(), 1e-12))
        assert trust.ratio == pytest.approx((K - 1) / promised, rel=1e-3)


def test_drift_is_from_the_place_to_where_its_image_is_encoded(case):
    loaded, codes, found = case
    with torch.inference_mode():
        back = loaded.model.encode(decoded(loaded.model, codes)).mean
    expected = (back - codes).norm(dim=1).tolist()
    assert [trust.drift for trust in found] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_realism_is_the_distance_to_the_nearest_of_the_images_that_it_names(case):
    loaded, codes, found = case
    compared = found[0].compared
    assert compared >= MIN_GALLERY
    images = decoded(loaded.model, loaded.reference.mean[:compared]).flatten(1)
    some = images[:200]
    to_others = torch.cdist(some, images)
    to_others[torch.arange(len(some)), torch.arange(len(some))] = torch.inf
    usual = float(to_others.min(1).values.median())
    for picture, trust in zip(decoded(loaded.model, codes).flatten(1), found, strict=True):
        distances = (images - picture).norm(dim=1)
        assert trust.against == "reconstructions"
        assert float(distances[trust.index]) == pytest.approx(float(distances.min()), abs=1e-4)
        assert trust.label == (
            -1 if loaded.reference.labels is None else loaded.reference.labels[trust.index]
        )
        # The unit is a median over other images of the same set than these.
        assert trust.realism * usual == pytest.approx(float(distances.min()), rel=0.1, abs=1e-3)
