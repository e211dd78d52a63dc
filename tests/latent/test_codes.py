"""What the encoded data say about each latent dimension, on data whose answer is planted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from vae_core.config import ModelConfig
from vae_core.latent import codes
from vae_core.latent.codes import ReferenceCodes
from vae_core.models import build


def reference(mean, std=None):
    mean = torch.as_tensor(mean, dtype=torch.float32)
    log_variance = (
        None if std is None else torch.as_tensor(std, dtype=torch.float32).expand_as(mean).log() * 2
    )
    return ReferenceCodes(mean, log_variance, torch.arange(len(mean)))


def planted(n=2000):
    """Dimension 0 is dead, 1 says a little, 2 says a lot, 3 reaches far out."""
    noise = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    mean = noise * torch.tensor([0.01, 0.3, 1.0, 4.0])
    return reference(mean, torch.tensor([1.0, 0.95, 0.05, 0.3]))


# --- encoding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vae", "autoencoder", "pca"])
def test_posteriors_are_those_of_the_model_whatever_the_batch_size(kind):
    model = build(
        ModelConfig(kind=kind, data_shape=(1, 8, 9), latent_dim=3, hidden=(8,), likelihood="gaussian")
    )
    images = torch.randint(
        0, 256, (11, 1, 8, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    whole = codes.posteriors(model, images)
    parts = codes.posteriors(model, images, batch_size=4)
    expected = model.encode(images / 255)
    torch.testing.assert_close(whole[0], expected.mean)
    torch.testing.assert_close(parts[0], expected.mean)
    if kind == "vae":
        torch.testing.assert_close(whole[1].exp().sqrt(), expected.stddev)
        torch.testing.assert_close(parts[1], whole[1])
    else:
        assert whole[1] is parts[1] is None
    for tensor in whole:
        assert tensor is None or not (tensor.requires_grad or tensor.is_inference())


@pytest.mark.parametrize("shape", [(2, 20), (7,)])
def test_series_and_rows_are_encoded_as_they_are(shape):
    model = build(ModelConfig(data_shape=shape, hidden=(8,), likelihood="gaussian"))
    x = torch.randn(11, *shape, generator=torch.Generator().manual_seed(0))
    mean, log_variance = codes.posteriors(model, x, batch_size=4)
    torch.testing.assert_close(mean, model.encode(x).mean)
    torch.testing.assert_close(log_variance, model.encode(x).variance.log())


def test_the_length_is_the_number_of_examples():
    assert len(reference(torch.zeros(7, 2))) == 7


# --- KL -----------------------------------------------------------------------------------------------------


def test_kl_per_dimension_equals_the_mean_of_torch_distributions():
    given = planted()
    q = Normal(given.mean.double(), given.log_variance.double().mul(0.5).exp())
    expected = kl_divergence(q, Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(codes.kl_per_dimension(given), expected.float())


def test_kl_of_the_prior_itself_is_zero():
    assert codes.kl_per_dimension(reference(torch.zeros(5, 3), 1.0)).tolist() == [0, 0, 0]


def test_points_have_no_kl():
    points = reference(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    assert codes.kl_per_dimension(points) is None
    assert [dimension.kl for dimension in codes.dimensions(points)] == [None] * 3


# --- summaries ----------------------------------------------------------------------------------------------


def test_dead_dimensions_are_found():
    assert [dimension.active for dimension in codes.dimensions(planted())] == [False, True, True, True]


def test_a_dimension_is_active_above_a_variance_of_one_hundredth():
    # Two values a distance 2d apart have variance d squared.
    for d, active in ((0.0999, False), (0.1001, True)):
        (dimension,) = codes.dimensions(reference([[1 - d], [1 + d]], 1.0))
        assert dimension.variance == pytest.approx(d**2, rel=1e-4)
        assert dimension.active == active


def test_dimensions_come_in_index_order_with_their_own_figures():
    given = planted()
    summaries = codes.dimensions(given)
    assert [dimension.index for dimension in summaries] == [0, 1, 2, 3]
    assert [d.variance for d in summaries] == pytest.approx(np.var(given.mean.double().numpy(), 0), rel=1e-6)
    assert [d.kl for d in summaries] == pytest.approx(codes.kl_per_dimension(given).tolist())


def test_a_narrow_dimension_shows_the_priors_range_and_a_wide_one_its_data():
    given = planted()
    *narrow, wide = codes.dimensions(given)
    for dimension in narrow[:2]:
        assert (dimension.low, dimension.high) == (-3, 3)
    assert wide.low == given.mean[:, 3].min() < -3
    assert wide.high == given.mean[:, 3].max() > 3


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    st.sampled_from([None, 0.5]),
)
def test_every_example_is_counted_once_within_the_range(values, std):
    (dimension,) = codes.dimensions(reference([[value] for value in values], std))
    assert dimension.low <= min(*values, -3)
    assert dimension.high >= max(*values, 3)
    assert len(dimension.histogram) == codes.BINS
    assert min(dimension.histogram) >= 0
    assert sum(dimension.histogram) == len(values)


def test_histogram_bins_are_where_the_data_are():
    (dimension,) = codes.dimensions(reference([[-2.99], [-2.99], [2.99], [0.01]]))
    counts = dimension.histogram
    assert (counts[0], counts[-1], counts[codes.BINS // 2]) == (2, 1, 1)


def test_sorting_puts_the_most_informative_first():
    by_kl = codes.by_information(codes.dimensions(planted()))
    assert [dimension.index for dimension in by_kl] == [3, 2, 1, 0]
    assert [d.kl for d in by_kl] == sorted((d.kl for d in by_kl), reverse=True)


def test_points_are_sorted_by_variance_and_ties_by_index():
    points = reference([[0.0, 5, 1, 1], [0, -5, -1, -1]])
    assert [dimension.index for dimension in codes.by_information(codes.dimensions(points))] == [1, 2, 3, 0]


def test_without_encoded_data_the_priors_range_is_all_there_is():
    bare = codes.bare_dimensions(3)
    assert [dimension.index for dimension in bare] == [0, 1, 2]
    for dimension in bare:
        assert (dimension.low, dimension.high, dimension.kl) == (-3, 3, None)
        assert sum(dimension.histogram) == 0
        assert len(dimension.histogram) == codes.BINS
        assert dimension.active
    assert [dimension.index for dimension in codes.by_information(bare)] == [0, 1, 2]
