"""Arbitrary damage to files ends in data or in one sentence, never in anything else."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vae_core import data
from vae_core.config import DataConfig
from vae_core.data import pictures
from vae_core.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
damages = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(name: str, call: Callable[[], Any]) -> Any:
    """What a call returns; None for an error that is one sentence about `name`."""
    try:
        return call()
    except DataError as error:
        said = str(error)
    assert name in said
    assert "\n" not in said
    return None


def damaged(content: bytes, damage: list[tuple[int, int]]) -> bytes:
    changed = bytearray(content)
    for at, byte in damage:
        changed[at % len(changed)] = byte
    return bytes(changed)


def image_file(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind)
    return file.getvalue()


IMAGES = [image_file(kind) for kind in pictures.FORMATS]


@quick
@given(st.sampled_from(IMAGES), damages, st.sampled_from([1, 3]))
def test_a_damaged_image_is_pixels_or_a_sentence(content, damage, channels):
    file = io.BytesIO(damaged(content, damage))
    outcome("own.png", lambda: pictures.glance(file, "own.png"))
    pixels = outcome("own.png", lambda: pictures.decode(file, "own.png", pictures.Form(channels, 8, 8)))
    if pixels is not None:
        assert (pixels.shape, pixels.dtype) == ((channels, 8, 8), np.uint8)


def file_of(suffix: str) -> bytes:
    file = io.BytesIO()
    if suffix == ".npy":
        np.save(file, PIXELS)
    elif suffix == ".npz":
        np.savez_compressed(file, x=PIXELS, y=np.arange(12))
    elif suffix == ".csv":
        np.savetxt(file, PIXELS[0], delimiter=",", header="a,b,label", comments="", fmt="%d")
    elif suffix == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            for number, image in enumerate(IMAGES):
                archive.writestr(f"{number}.png", image)
    else:
        import pandas as pd

        pd.DataFrame(PIXELS[0], columns=["a", "b", "label"]).to_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet", ".zip"])
def test_a_damaged_file_is_data_or_a_sentence_that_names_it(tmp_path, suffix):
    path, content = tmp_path / f"own{suffix}", file_of(suffix)

    @quick
    @given(damages)
    def check(damage: list[tuple[int, int]]) -> None:
        path.write_bytes(damaged(content, damage))
        found = outcome(str(path), lambda: data.load(DataConfig(name="own", path=str(path)), "train"))
        if found is not None:
            assert len(found.indices) == len(found.examples)

    check()


@quick
@given(
    text=st.text(st.sampled_from('0123456789.,;-+e"\n\r\t xNa'), max_size=80),
    window=st.sampled_from([None, 8]),
)
def test_any_text_is_a_table_or_a_sentence(tmp_path: Path, text, window):
    path = tmp_path / "own.csv"
    path.write_bytes(text.encode())
    config = DataConfig(name="own", path=str(path), window=window)
    found = outcome(str(path), lambda: data.load(config, "train"))
    if found is not None:
        assert found.examples.isfinite().all()
