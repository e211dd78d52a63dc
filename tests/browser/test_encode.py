"""Encoding in a real browser: an item of the data, a picture of one's own, a drawing."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from vae_core import checkpoint, data, images
from vae_explorer import library

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def digits():
    return checkpoint.load(library.FOLDER / "digits-vae-2d.safetensors")


@pytest.fixture
def original(visitor):
    return visitor.find(".original canvas")


def seven():
    """A seven in dark ink on white paper, away from the middle."""
    picture = Image.new("RGB", (90, 70), "white")
    ImageDraw.Draw(picture).line([(45, 10), (75, 10), (60, 55)], fill=(30, 30, 60), width=7, joint="curve")
    return picture


def encoded(picture, kind="PNG"):
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def upload(visitor, name, mime, content):
    visitor.tab("Upload")
    visitor.find(".encode input[type=file]").set_input_files(
        {"name": name, "mimeType": mime, "buffer": content}
    )


def stroke(visitor, *points):
    """Draw with the pen held down, from the first to the last of the points, given as shares of the paper."""
    box = visitor.find(".paper").bounding_box()
    for i, (x, y) in enumerate(points):
        visitor.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
        if i == 0:
            visitor.page.mouse.down()


# --- data ---------------------------------------------------------------------------------------------------


def test_item_by_class_and_number_stands_beside_its_reconstruction(visitor, original, digits):
    visitor.find(".class").select_option(label="3")
    visitor.find(".number").fill("2")
    position = int(torch.nonzero(digits.reference.labels == 3)[2, 0])
    mean = digits.reference.mean[position].numpy()
    visitor.until(lambda: np.allclose(visitor.z, mean, atol=1e-4), "the posterior mean")
    expect(visitor.find(".original figcaption")).to_have_text(f"original: item {position}, class 3")
    expect(visitor.find(".decoded figcaption")).to_have_text("reconstruction from the posterior mean")
    held_out = data.load(digits.description.data, "held-out")
    row = int(torch.nonzero(held_out.indices == digits.reference.indices[position])[0, 0])
    assert np.array_equal(visitor.pixels(original)[..., 0], held_out.examples[row, 0].numpy())
    visitor.until_url_follows()


def test_posterior_is_drawn_as_a_band_one_deviation_to_each_side(visitor, digits):
    visitor.find(".encode .next").click()
    band = visitor.slider(0).locator(".band")
    expect(band).to_be_visible()
    shown = visitor.slider(0)
    low, high = (float(shown.get_attribute(f"aria-value{end}")) for end in ("min", "max"))
    index = 0 if "z₁" in shown.get_attribute("aria-label") else 1
    mean, std = (
        float(digits.reference.mean[1, index]),
        float((digits.reference.log_variance[1, index] / 2).exp()),
    )
    track, box = shown.bounding_box(), band.bounding_box()
    assert box["x"] - track["x"] == pytest.approx((mean - std - low) / (high - low) * track["width"], abs=1)
    assert box["width"] == pytest.approx(2 * std / (high - low) * track["width"], abs=1)
    visitor.drag(0, 0.2, 0.9)
    expect(visitor.find(".decoded figcaption")).to_contain_text("from the code of item 1")


def test_items_wrap_around_at_both_ends(visitor, digits):
    visitor.find(".encode .previous").click()
    last = len(digits.reference) - 1
    expect(visitor.find(".original figcaption")).to_contain_text(f"item {last},")
    visitor.find(".encode .next").click()
    expect(visitor.find(".original figcaption")).to_contain_text("item 0,")
    visitor.until_url_follows()
    visitor.button("Undo").click()  # each item is one step of history
    visitor.button("Undo").click()
    assert visitor.z == [0, 0]
    visitor.until_url_follows()


# --- upload -------------------------------------------------------------------------------------------------


def test_a_picture_is_made_light_on_dark_and_encoded(visitor, original, digits):
    upload(visitor, "seven.png", "image/png", encoded(seven()))
    expect(original).to_be_visible()
    fitted = images.fit(np.asarray(seven()), (1, 8, 8), "ink")
    visitor.until(lambda: np.array_equal(visitor.pixels(original)[..., :1], fitted), "the fitted picture")
    assert fitted[0, 0] < 30
    assert fitted.max() > 200
    with torch.inference_mode():
        posterior = digits.model.encode(torch.from_numpy(fitted).permute(2, 0, 1)[None].float() / 255)
    visitor.until(lambda: np.allclose(visitor.z, posterior.mean[0].numpy(), atol=1e-3), "the posterior mean")
    expect(visitor.find(".original figcaption")).to_have_text("original: seven.png")
    upload(visitor, "seven.jpg", "image/jpeg", encoded(seven(), "JPEG"))
    expect(visitor.find(".original figcaption")).to_have_text("original: seven.jpg")
    visitor.until_url_follows()


def test_what_is_no_picture_gets_a_sentence(visitor, original):
    files = [
        ("broken.png", "image/png", encoded(seven())[:60]),
        ("noise.png", "image/png", bytes(range(256))),
        ("empty.png", "image/png", b""),
        ("notes.txt", "text/plain", b"no picture at all"),
    ]
    for name, mime, content in files:
        upload(visitor, name, mime, content)
        trouble = visitor.find(".encode .trouble")
        expect(trouble).to_contain_text(name)
        near, drop = trouble.bounding_box(), visitor.find(".drop").bounding_box()
        assert drop["x"] <= near["x"] < drop["x"] + drop["width"]
        assert drop["y"] + drop["height"] <= near["y"] < drop["y"] + 2 * drop["height"]
    expect(visitor.find(".message")).to_have_text("")
    expect(original).to_be_hidden()
    assert visitor.z == [0, 0]
    visitor.drag(0, 0.4, 0.8)


def test_a_sentence_about_a_picture_goes_with_the_next_action(visitor):
    trouble = visitor.find(".encode .trouble")
    acts = [
        lambda: visitor.tab("Draw"),
        lambda: visitor.button("Prior draw").click(),
        lambda: visitor.slider(0).press("ArrowRight"),
        lambda: upload(visitor, "seven.png", "image/png", encoded(seven())),
    ]
    for act in acts:
        upload(visitor, "noise.png", "image/png", bytes(range(256)))
        expect(trouble).to_contain_text("noise.png")
        act()
        expect(trouble).to_have_text("")
    visitor.until_url_follows()


def test_where_pictures_come_from_says_what_a_link_holds(visitor):
    for tab in ("Upload", "Draw"):
        visitor.tab(tab)
        expect(visitor.find(f"[data-panel={tab.lower()}] .hint")).to_contain_text("A link holds")


# --- draw ---------------------------------------------------------------------------------------------------


def test_the_model_answers_while_a_stroke_is_drawn(visitor, original):
    visitor.tab("Draw")
    visitor.find(".paper").scroll_into_view_if_needed()
    before, runs = visitor.pixels(), visitor.script_runs
    stroke(visitor, (0.5, 0.15), (0.5, 0.85))
    visitor.until_pixels_change(before)
    expect(original).to_be_visible()
    assert visitor.script_runs == runs
    first = visitor.pixels()
    stroke(visitor, (0.5, 0.85))
    visitor.page.mouse.up()
    visitor.until_url_follows()
    stroke(visitor, (0.2, 0.2), (0.8, 0.2))
    visitor.until_pixels_change(first)
    visitor.page.mouse.up()
    visitor.until_url_follows()


def test_a_cleared_paper_is_black(visitor):
    visitor.tab("Draw")
    paper = visitor.find(".paper")
    paper.scroll_into_view_if_needed()
    stroke(visitor, (0.3, 0.3), (0.7, 0.7))
    visitor.page.mouse.up()
    visitor.until_url_follows()
    assert visitor.pixels(paper).max() == 255
    visitor.button("Clear").click()
    assert visitor.pixels(paper).max() == 0
