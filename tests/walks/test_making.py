"""Walks as they are made and saved from Python: with a decoder that paints its coordinates, and what frames refuse."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.walks.making import drifting, listing
from vae_core import walks
from vae_core.config import GridConfig, ModelConfig, PathConfig
from vae_core.errors import CodeError, ConfigError, Stopped
from vae_core.models import build


def painter(latent_dim=2):
    """Decodes to pictures whose left half is as bright as z_0 and whose right half as z_1; -4 is black, 4 white."""
    config = ModelConfig(
        kind="autoencoder",
        architecture="linear",
        latent_dim=latent_dim,
        data_shape=(1, 8, 8),
        likelihood="gaussian",
    )
    model = build(config, 0).eval()
    halves = torch.zeros(8, 8, latent_dim)
    halves[:, :4, 0] = halves[:, 4:, 1] = 1 / 8
    with torch.no_grad():
        model.decoder[0].weight.copy_(halves.reshape(64, latent_dim))
        model.decoder[0].bias.fill_(0.5)
    return model


@pytest.fixture
def painted(bare):
    return replace(bare, model=painter())


def painted_codes(path, n):
    """What the tiles of a grid picture say that they are: (n, n, 2)."""
    with Image.open(path) as image:
        sheet = np.asarray(image).astype(float) / 255 * 8 - 4
    side = sheet.shape[0] // n
    tiles = sheet.reshape(n, side, n, side).swapaxes(1, 2)
    return np.stack((tiles[:, :, side // 2, side // 4], tiles[:, :, side // 2, 3 * side // 4]), -1)


def test_to_the_right_is_the_first_dimension_and_up_the_second(painted, tmp_path):
    walks.save(tmp_path / "grid.png", walks.make(painted, GridConfig(grid=7)))
    found = painted_codes(tmp_path / "grid.png", 7)
    steps = np.linspace(-3, 3, 7)
    assert np.allclose(found[..., 0], steps[None, :], atol=0.02)
    assert np.allclose(found[..., 1], steps[::-1, None], atol=0.02)


def test_two_dimensions_can_change_places_and_others_stay_as_the_base(bare, tmp_path):
    loaded = replace(bare, model=painter(3))
    config = GridConfig(grid=5, first=2, second=0, base="9,1.5,9", extent=2)
    walk = walks.make(loaded, config)
    assert walk.is_grid
    assert np.array_equal(np.unique(walk.codes[..., 1]), [1.5])
    assert walk.codes[0, 0].tolist() == [2, 1.5, -2]
    walks.save(tmp_path / "grid.png", walk)
    found = painted_codes(tmp_path / "grid.png", 5)
    assert np.allclose(found[..., 1], 1.5, atol=0.02)
    assert np.allclose(found[..., 0], np.linspace(2, -2, 5)[:, None], atol=0.02)


def test_quantiles_stand_for_equal_shares_of_the_prior(painted, tmp_path):
    walks.save(tmp_path / "grid.png", walks.make(painted, GridConfig(grid=8, spacing="quantile")))
    across = painted_codes(tmp_path / "grid.png", 8)[0, :, 0]
    shares = torch.distributions.Normal(0.0, 1.0).cdf(torch.from_numpy(across))
    assert np.allclose(shares.diff(), 1 / 8, atol=0.02)  # a level of grey is 0.03


def test_a_path_through_a_painter_is_straight(painted):
    walk = walks.make(painted, PathConfig(ends=("-2,1", "2,-3"), frames=9))
    assert not walk.is_grid
    assert np.allclose(walk.codes, np.linspace([-2, 1], [2, -3], 9), atol=1e-6)
    assert walk.codes[[0, -1]].tolist() == [[-2, 1], [2, -3]]
    said = walks.figures(painted, walk)
    assert said["codes"] == 9
    assert said["image_length"] == pytest.approx(np.hypot(4, 4) / 8 * np.sqrt(32), rel=1e-4)
    assert said["step_ratio"] == pytest.approx(1, abs=1e-3)


def test_a_path_closes_overshoots_and_returns(painted, tmp_path):
    config = PathConfig(ends=("-1,0", "1,0"), frames=13, overshoot=1.5)
    beyond = walks.make(painted, config).codes
    assert np.allclose(beyond[:, 0], 2 * walks.along(config) - 1, atol=1e-6)
    assert np.allclose(beyond[[0, -1], 0], [-2, 2])
    walk = walks.make(painted, PathConfig(ends=("-1,0", "1,0"), frames=5))
    walks.save(tmp_path / "walk.npz", walk, ping_pong=True)
    with np.load(tmp_path / "walk.npz", allow_pickle=False) as found:
        assert found["codes"][:, 0].tolist() == [-1, -0.5, 0, 0.5, 1, 0.5, 0, -0.5]
        assert np.array_equal(found["frames"][1], found["frames"][-1])


def test_progress_is_in_words_and_rises(painted, tmp_path):
    heard = []
    walk = walks.make(painted, GridConfig(grid=20), on_progress=lambda *said: heard.append(said))
    walks.save(tmp_path / "grid.png", walk, on_progress=lambda *said: heard.append(said))
    assert [message for message, _ in heard] == sorted(message for message, _ in heard)
    assert {message for message, _ in heard} == {"Decoding.", "Writing grid.png."}
    assert [done for message, done in heard if message == "Decoding."][-1] == 1


def test_decoding_can_be_stopped(painted):
    asked = []

    def should_stop():
        asked.append(True)
        return len(asked) > 2

    with pytest.raises(Stopped, match="after 128 of 400 pictures"):
        walks.make(painted, GridConfig(grid=20), should_stop)


def test_frames_refuse_codes_that_do_not_fit(painted):
    codes = np.zeros((5, 2), np.float32)
    codes[3, 1] = np.nan
    with pytest.raises(CodeError, match="Code 3 of the walk holds NaN"):
        walks.frames(painted.model, codes)
    with pytest.raises(CodeError, match="Codes of 3 numbers do not fit this model, whose codes have 2"):
        walks.frames(painted.model, np.zeros((5, 3), np.float32))


def test_a_name_may_be_in_capitals_and_a_grid_is_no_movie(painted, tmp_path):
    walk = walks.Walk(np.zeros((4, 2), np.float32), drifting(4))
    walks.save(tmp_path / "WALK.GIF", walk)
    with pytest.raises(ConfigError, match=r"a grid is written as \.png or \.npz"):
        walks.save(tmp_path / "grid.gif", walks.make(painted, GridConfig(grid=2)))
    assert listing(tmp_path) == ["WALK.GIF"]
