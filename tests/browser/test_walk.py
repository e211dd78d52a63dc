"""Walks in a real browser: the grid decodes what its places say, moves with a third dimension, and paths are made and kept."""

import re
import shlex
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from vae_core import checkpoint
from vae_core.__main__ import main
from vae_core.models.rendering import render
from vae_explorer import library

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"


@pytest.fixture(scope="module")
def digits():
    return checkpoint.load(library.FOLDER / f"{DIGITS}.safetensors")


class Walker:
    """Somebody on the Walk page."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page
        self.grid = self.page.locator(".walk-grid")

    def point_at(self, x, y):
        """Move to a share of the grid; return the place that the panel names."""
        box = self.grid.bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        words = self.page.locator(".place")
        expect(words).to_contain_text("z₁")
        return np.array(
            [float(n) for n in re.findall(r"z[₀-₉]+ (-?[\d.]+)", words.inner_text().replace("−", "-"))]
        )

    def shown(self):
        return self.visitor.pixels(self.page.locator(".here canvas"))[..., 0].astype(int)

    def query(self, name):
        return parse_qs(urlsplit(self.page.url).query).get(name, [""])[0]


@pytest.fixture
def walk(visit):
    def open_page(query=f"walk?model={DIGITS}", **options):
        visitor = visit(**options)
        visitor.page.goto(visitor.home + query)
        expect(visitor.page.locator(".walk")).to_be_visible()
        return Walker(visitor)

    return open_page


def painted(walker):
    walker.visitor.until(
        lambda: walker.page.evaluate("performance.getEntriesByName('first-grid').length"), "the grid"
    )


def test_the_tile_pointed_at_is_what_the_model_makes_of_its_place(walk, digits):
    walker = walk()
    painted(walker)
    for x, y in ((0.5, 0.5), (0.3, 0.7)):
        place = walker.point_at(x, y)
        # The panel names a place to two digits, so its picture may be off by a shade.
        expected = render(digits.model, place[None].astype(np.float32))[0, ..., 0].astype(int)
        walker.visitor.until(lambda e=expected: np.abs(walker.shown() - e).max() <= 12, "the decode")


def test_up_is_up_and_right_is_right(walk):
    walker = walk()
    painted(walker)
    middle, right, up = (walker.point_at(x, y) for x, y in ((0.5, 0.5), (0.8, 0.5), (0.5, 0.1)))
    assert right[0] > middle[0]
    assert right[1] == middle[1]
    assert up[1] > middle[1]


def test_dragging_pans_and_the_address_restores_the_view(walk):
    walker = walk()
    painted(walker)
    before = walker.point_at(0.5, 0.5)
    box = walker.grid.bounding_box()
    walker.page.mouse.down()
    walker.page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    walker.page.mouse.up()
    walker.visitor.until(lambda: walker.query("view"), "the view in the address")
    after = walker.point_at(0.51, 0.5)
    assert after[0] < before[0]
    again = walk(walker.page.url.removeprefix(walker.visitor.home))
    painted(again)
    np.testing.assert_allclose(again.point_at(0.51, 0.5), after, atol=0.02)


class Kept:
    """What the page saves and what the command that it copies makes."""

    def __init__(self, walker, folder, capsys):
        self.page, self.folder, self.capsys = walker.page, folder, capsys
        # The command names files as from the program's folder.
        (folder / "checkpoints").symlink_to(library.FOLDER)

    def both(self):
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Save PNG").click()
        self.page.get_by_role("button", name="Copy command").click()
        expect(self.page.locator(".walk > .message")).to_have_text("Copied.")
        self.command = self.page.evaluate("navigator.clipboard.readText()")
        assert self.command == self.page.locator(".save-grid .command").inner_text()
        python, module, name, *arguments = shlex.split(self.command)
        assert [python, module, name] == ["python", "-m", "vae_core"]
        assert main([*arguments, "--json"]) == 0, self.capsys.readouterr().err
        return self.read(download.value.path()), self.read(self.folder / "grid.png")

    @staticmethod
    def read(path):
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    def agree(self):
        saved, made = self.both()
        assert saved.shape == made.shape, self.command
        assert saved.std() > 10
        # A pixel may be rounded otherwise where other codes are decoded along with its own; no place may be another one.
        assert np.abs(saved - made).max() <= 1, self.command
        assert (saved != made).mean() < 1e-4, self.command


@pytest.fixture
def kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return lambda walker: Kept(walker, tmp_path, capsys)


def test_the_copied_command_makes_the_tiles_on_the_screen(walk, kept):
    walker = walk()
    painted(walker)
    files = kept(walker)
    files.agree()
    whole = files.command
    assert "--centre 0,0 " in whole
    box = walker.grid.bounding_box()
    walker.page.mouse.move(box["x"] + 300, box["y"] + 200)
    walker.page.mouse.down()
    walker.page.mouse.move(box["x"] + 187, box["y"] + 231, steps=3)
    walker.page.mouse.up()
    walker.page.mouse.wheel(0, -700)
    walker.visitor.until(
        lambda: walker.page.locator(".save-grid .command").inner_text() != whole, "the command"
    )
    walker.visitor.until(lambda: walker.query("view"), "the view in the address")
    files.agree()
    walker.page.get_by_label("Spacing").select_option("quantile")
    files.agree()
    assert "--spacing quantile" in files.command


def test_the_command_makes_planes_of_every_kind(walk, kept):
    walker = walk("walk?model=mnist-vae-10d&tiles=6")
    painted(walker)
    files = kept(walker)
    walker.page.get_by_label("Value of the third dimension").fill("1.37")
    files.agree()
    assert "1.37" in files.command
    for kind in ("principal", "codes"):
        walker.page.locator(".kind").select_option(kind)
        files.agree()


def test_a_third_dimension_moves_the_whole_grid(walk):
    walker = walk("walk?model=mnist-vae-10d")
    painted(walker)
    tiles = walker.page.locator("canvas.tiles")
    before = walker.visitor.pixels(tiles)
    walker.page.get_by_label("Value of the third dimension").fill("2.5")
    walker.visitor.until(lambda: (walker.visitor.pixels(tiles) != before).mean() > 0.1, "other tiles")


def test_a_click_takes_explore_there(walk):
    walker = walk()
    painted(walker)
    place = walker.point_at(0.6, 0.4)
    walker.page.mouse.down()
    walker.page.mouse.up()
    walker.visitor.painted()
    walker.visitor.rested()
    np.testing.assert_allclose(walker.visitor.z, place, atol=0.01)


def test_shades_and_outlines_tell_of_the_data(walk):
    walker = walk()
    painted(walker)
    over = walker.page.locator("canvas.over")
    before = walker.visitor.pixels(over)
    walker.page.get_by_label("Outline by nearest class").check()
    walker.visitor.until(lambda: (walker.visitor.pixels(over) != before).mean() > 0.02, "outlines")


def test_paths_between_two_items_are_made_scrubbed_and_kept(walk):
    walker = walk(f"walk?model={DIGITS}&tab=paths")
    page = walker.page
    page.get_by_role("button", name="Two random encoded items").click()
    for method in ("Spherical", "Geodesic"):
        page.get_by_label(method, exact=True).check()
    expect(page.get_by_text(re.compile("image-space length"))).to_have_count(3)
    assert "geodesic" in walker.query("paths")
    page.get_by_text("Save", exact=True).click()
    with page.expect_download() as found:
        page.get_by_role("button", name=re.compile("GIF")).click()
    assert Path(found.value.path()).read_bytes().startswith(b"GIF89a")

    again = walk(page.url.removeprefix(walker.visitor.home))
    expect(again.page.get_by_text(re.compile("image-space length"))).to_have_count(3)


def test_the_command_of_a_path_makes_the_path_on_the_page(walk, kept):
    codes = "-0.123456789,1.75;0.1,-2;1,1e-7"  # the first is not what six digits of it are
    walker = walk(f"walk?model={DIGITS}&tab=paths&ends={codes}&paths=slerp&chosen=slerp&frames=30&over=1")
    page, files = walker.page, kept(walker)
    expect(page.get_by_text(re.compile("image-space length"))).to_have_count(1, timeout=60_000)
    page.get_by_text("Save", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("npz")).click()
    *command, out = shlex.split(page.locator(".command code").inner_text())
    assert out == "walk.mp4"
    assert main([*command[3:], "walk.npz", "--json"]) == 0, files.capsys.readouterr().err
    with np.load(download.value.path()) as saved, np.load(files.folder / "walk.npz") as made:
        there = len(saved["codes"])  # the page's archive holds the way there, the command's also the way back
        np.testing.assert_array_equal(made["codes"][:there], saved["codes"])
        assert np.abs(made["frames"][:there].astype(int) - saved["frames"]).max() <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", ["grid", "paths"])
def test_it_fits_a_phone(walk, scheme, tab):
    walker = walk(f"walk?model={DIGITS}&tab={tab}", viewport=PHONE, color_scheme=scheme, has_touch=True)
    walker.visitor.until(lambda: walker.query("tab") == tab, "the page")
    assert walker.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
