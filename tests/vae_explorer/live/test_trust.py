"""What the trust read-out is told of a model: codes that stand for its data, few enough for a page."""

import json

import numpy as np
import pytest

from tests.vae_explorer import making
from vae_explorer import library
from vae_explorer.live import trust


def told(**settings):
    made = making.make(**settings)
    facts = json.loads(json.dumps(trust.facts(library.opened("mine", made))))
    return made, np.array(facts["usual"]), facts


def test_usual_figures_are_taken_at_encoded_codes():
    made, codes, _ = told()
    known = made.reference.mean.numpy()
    assert len(codes) == 64
    assert all(np.abs(known - code).max(1).min() < 1e-4 for code in codes)
    assert len(np.unique(codes, axis=0)) == 64


@pytest.mark.parametrize(("latent_dim", "count"), [(1, 64), (50, 20), (256, 8)])
def test_long_codes_are_fewer(latent_dim, count):
    assert told(latent_dim=latent_dim)[1].shape == (count, latent_dim)


def test_without_encoded_data_draws_from_the_prior_stand_in():
    _, codes, facts = told(with_reference=False, latent_dim=16)
    assert codes.shape == (64, 16)
    assert abs(codes.mean()) < 0.1
    assert abs(codes.std() - 1) < 0.1
    assert told(with_reference=False, latent_dim=16)[2] == facts
