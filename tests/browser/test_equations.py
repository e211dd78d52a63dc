"""The Equations page in a real browser: its frame, and the steps that need no x; its numbers are the core's."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.moves import answered
from vae_core.equations import gaussians, linear
from vae_explorer import library
from vae_explorer.equations.answers import generation
from vae_explorer.live import models

pytestmark = pytest.mark.browser

DIGITS = "digits-vae-2d"
DRAGS = 15
# The lecture's codes and decoded points, as the issue has them.
CODES = [-0.63, -0.39, 0.09, 0.41, 0.53]
DECODED = [(-0.54, -0.33), (-0.34, -0.20), (0.07, 0.04), (0.35, 0.21), (0.46, 0.27)]


class Reader:
    """Somebody on the Equations page."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page

    def handle(self, name):
        return self.page.get_by_role("slider", name=name, exact=True)

    def place(self, name, reach):
        """Where a handle stands, in the units of a stage whose axes go from -reach to reach at least."""
        return np.array(
            self.handle(name).evaluate(
                """(element, reach) => {
                  const stage = element.closest("svg"), field = stage.querySelector("clipPath rect");
                  const [left, top, across, down] = ["x", "y", "width", "height"].map((key) => Number(field.getAttribute(key)));
                  const [x, y] = element.getAttribute("transform").match(/-?[\\d.]+/g).map(Number);
                  const unit = (2 * reach) / Math.min(across, down);
                  return [(x - left - across / 2) * unit, -(y - top - down / 2) * unit];
                }""",
                reach,
            )
        )

    def drag(self, name, right, down):
        """Take hold of a handle with the mouse and carry it so many pixels."""
        self.handle(name).scroll_into_view_if_needed()
        box = self.handle(name).locator(".dot").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + right, y + down, steps=5)
        self.page.mouse.up()

    def answered(self, name):
        moves = [[30 * np.sin(k / 5), 20 * np.cos(k / 7)] for k in range(1, DRAGS + 1)]
        return answered(self.handle(name), moves)

    def gaussian(self, name):
        """(mean, covariance) of an ellipse, from where its handles stand: ends are two standard deviations out."""
        mean = self.place(f"Centre of {name}", 4)
        ends = [(self.place(f"{which} axis of {name}", 4) - mean) / 2 for which in ("First", "Second")]
        return mean, sum(np.outer(end, end) for end in ends)

    def terms(self):
        """The table of step 2: {term: [KL(N0 || N1)'s, KL(N1 || N0)'s]}."""
        expect(self.page.locator("tr[data-term=kl] td").last).not_to_be_empty()
        rows = self.page.locator("tr[data-term]").all()
        return {
            row.get_attribute("data-term"): [number(text) for text in row.locator("td").all_inner_texts()]
            for row in rows
        }

    def points(self):
        return np.array([self.place(f"Point {letter}", 0.8) for letter in "ABCDE"])

    def column(self, name):
        """What the table of step 7 says in one column."""
        texts = self.page.locator(f"tr[data-point] .{name}").all_inner_texts()
        found = [[number(part) for part in re.findall(r"−?[\d.]+", text)] for text in texts]
        return np.array(found).squeeze()


def number(text):
    return float(text.replace("−", "-").replace(",", ""))


@pytest.fixture
def read(visit):
    def open_page(step, model=DIGITS, **options):
        visitor = visit(**options)
        visitor.page.goto(f"{visitor.home}equations?model={model}&step={step}")
        expect(visitor.page.get_by_role("heading", name=re.compile(f"^{step} · "))).to_be_visible()
        return Reader(visitor)

    return open_page


@pytest.fixture(scope="module")
def opened(data_folder):
    return library.open_file(DIGITS, library.FOLDER / f"{DIGITS}.safetensors")


# --- the frame --------------------------------------------------------------------------------------------------


def test_steps_turn_by_button_by_key_and_by_menu_and_the_address_opens_them_again(read):
    reader = read(6)
    page = reader.page
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name=re.compile("^7 · "))).to_be_visible()
    page.wait_for_url(re.compile("step=7"))
    page.keyboard.press("PageDown")
    expect(page.get_by_role("heading", name=re.compile("^8 · "))).to_be_visible()
    page.wait_for_url(re.compile("step=8"))
    page.go_back()
    expect(page.get_by_role("heading", name=re.compile("^7 · "))).to_be_visible()
    page.wait_for_url(re.compile("step=7"))
    page.get_by_role("radio", name="2 KL of Gaussians").click()
    page.wait_for_url(re.compile("step=2"))
    page.reload()
    expect(page.get_by_role("heading", name=re.compile("^2 · "))).to_be_visible()


@pytest.mark.parametrize("step", [2, 6, 7, 8])
def test_a_phone_shows_every_step_without_scrolling_sideways(read, step):
    reader = read(step, viewport=PHONE)
    expect(reader.page.locator(".eq").first).to_be_visible()
    main = reader.page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 1


# --- step 2: two Gaussians ----------------------------------------------------------------------------------------


def test_an_ellipse_that_is_dragged_changes_all_terms_and_they_are_the_cores(read):
    reader = read(2)
    before = reader.terms()
    reader.drag("Centre of N₀", 60, 30)
    reader.drag("First axis of N₁", -25, 35)
    found = reader.terms()
    zero, one = reader.gaussian("N₀"), reader.gaussian("N₁")
    for way, pair in enumerate(((*zero, *one), (*one, *zero))):
        core = gaussians.kl(*pair)
        assert found["trace"][way] == pytest.approx(core.trace, abs=0.02, rel=5e-3)
        assert found["distance"][way] == pytest.approx(core.distance, abs=0.02, rel=5e-3)
        assert found["dimensions"][way] == -2
        assert found["determinants"][way] == pytest.approx(core.log_determinants, abs=0.02)
        assert found["kl"][way] == pytest.approx(core.kl, abs=0.02, rel=5e-3)
        assert found["kl"][way] != before["kl"][way]
    expect(reader.page.locator(".closes").first).to_contain_text("equal to four decimals")


def test_the_other_direction_can_be_looked_at_and_equal_gaussians_are_zero_apart(read):
    reader = read(2)
    reader.page.get_by_role("button", name="KL(N₁ ‖ N₀)").click()
    expect(reader.page.locator(".closes").first).to_contain_text(
        f"KL(N₁ ‖ N₀) = {reader.terms()['kl'][1]:.2f}"[:-1]
    )
    reader.page.get_by_role("button", name="Equal", exact=True).click()
    expect(reader.page.locator("tr[data-term=kl] td")).to_have_text(["0.00", "0.00"])


def test_dragging_answers_in_the_next_frame(read):
    reader = read(2)
    expect(reader.handle("Centre of N₀")).to_be_visible()
    assert reader.answered("Centre of N₀") == DRAGS
    assert reader.answered("Second axis of N₁") == DRAGS


def test_the_diagonal_case_begins_with_the_encoders_answer_and_follows_its_sliders(read, opened):
    reader = read(2)
    reference = opened.checkpoint.reference
    mean, std = (each[0].double().numpy() for each in (reference.mean, (0.5 * reference.log_variance).exp()))
    closes = reader.page.locator(".closes").nth(1)
    closes.scroll_into_view_if_needed()
    expect(closes).to_contain_text("sum of 2 dimensions")

    def said():
        return [number(text) for text in re.findall(r"−?\d+\.\d{4}", closes.inner_text())]

    assert said() == pytest.approx([gaussians.kl_to_prior(mean, std).sum()] * 2, abs=5e-4)
    reader.page.get_by_label("Mean of z₁").fill("1.5")
    reader.page.get_by_label("Width of z₁").fill("-1")
    mean[0], std[0] = 1.5, np.exp(-1)
    reader.visitor.until(
        lambda: said() == pytest.approx([gaussians.kl_to_prior(mean, std).sum()] * 2, abs=5e-3)
    )
    reader.page.get_by_role("button", name="The prior", exact=True).click()
    expect(closes).to_contain_text("KL(q ‖ p) = 0.0000")


# --- step 6: without the regularization -----------------------------------------------------------------------------


def test_the_autoencoder_stands_before_the_vae_with_the_figures_of_their_files(read):
    reader = read(6, model="mnist-vae-2d")
    columns = reader.page.locator(".eq-columns section")
    expect(columns).to_have_count(2)
    for column, name in zip(columns.all(), ("mnist-ae-2d", "mnist-vae-2d"), strict=True):
        expect(column).to_contain_text(name)
        for picture in (column.locator(".here canvas"), column.locator("canvas.draws")):
            reader.visitor.until(
                lambda picture=picture: reader.visitor.pixels(picture).any(), "a decoded picture"
            )
        stored = library.open_file(
            name, library.FOLDER / f"{name}.safetensors"
        ).checkpoint.description.evaluation
        for figure in ("continuity", "completeness"):
            expect(column.locator(f"[data-figure={figure}] output")).to_have_text(f"{stored[figure]:.2f}")


def test_pointing_at_a_plane_decodes_there(read):
    reader = read(6, model="mnist-vae-2d")
    column = reader.page.locator(".eq-columns section").nth(1)
    here = column.locator(".here canvas")
    reader.visitor.until(lambda: here.evaluate("canvas => canvas.width") == 28)
    before = reader.visitor.pixels(here)
    box = column.locator(".plane").bounding_box()
    reader.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    reader.visitor.until_pixels_change(before, here)
    expect(column.locator(".at")).to_contain_text("decoded at −")


# --- step 7: PCA by hand --------------------------------------------------------------------------------------------


def test_the_lectures_numbers_stand_there_to_two_decimals(read):
    reader = read(7)
    expect(reader.handle("Point A")).to_be_visible()
    np.testing.assert_array_equal(reader.column("at"), linear.POINTS)
    np.testing.assert_array_equal(reader.column("code"), CODES)
    np.testing.assert_array_equal(reader.column("decoded"), DECODED)


def test_a_point_that_is_dragged_takes_the_principal_direction_with_it(read):
    reader = read(7)
    expect(reader.handle("Point C")).to_be_visible()
    reader.drag("Point C", -70, -110)
    points = reader.points()
    assert np.linalg.norm(points[2] - linear.POINTS[2]) > 0.2
    core = linear.principal(points).reduction
    np.testing.assert_allclose(reader.column("at"), points, atol=0.006)
    np.testing.assert_allclose(reader.column("code"), core.codes, atol=0.007)
    np.testing.assert_allclose(reader.column("decoded"), core.decoded, atol=0.007)
    np.testing.assert_allclose(reader.column("error"), core.errors, atol=1e-3)
    expect(reader.page.locator(".closes")).to_contain_text("no other loses less")
    reader.page.get_by_role("button", name="The five points of the lecture").click()
    reader.visitor.until(lambda: np.array_equal(reader.column("code"), CODES))


def test_any_other_direction_loses_more(read):
    reader = read(7)
    expect(reader.handle("Point A")).to_be_visible()
    best, total = linear.principal(linear.POINTS).reduction.error, reader.page.locator("tfoot .error")
    assert number(total.inner_text()) == pytest.approx(best, abs=5e-5)
    for degrees in (-80, -10, 29, 33, 75):
        reader.page.get_by_label("Direction in degrees").fill(str(degrees))
        core = linear.along(linear.POINTS, np.deg2rad(degrees))
        assert number(total.inner_text()) == pytest.approx(core.error, abs=6e-5)
        assert core.error > best
        np.testing.assert_allclose(reader.column("code"), core.codes, atol=0.006)
    expect(reader.page.locator(".closes")).to_contain_text(f"would lose {best:.4f}")
    reader.page.get_by_role("button", name="Principal direction").click()
    reader.visitor.until(lambda: abs(number(total.inner_text()) - best) < 5e-5)


def test_points_can_be_moved_with_arrow_keys_and_dragging_answers_at_once(read):
    reader = read(7)
    expect(reader.handle("Point A")).to_be_visible()
    before = reader.column("at")[0]
    reader.handle("Point A").focus()
    reader.page.keyboard.press("Shift+ArrowUp")
    moved = reader.column("at")[0] - before
    assert moved[0] == 0
    assert moved[1] > 0.05
    assert reader.answered("Point B") == DRAGS
    assert reader.answered("Direction u") == DRAGS


# --- step 8: generation ---------------------------------------------------------------------------------------------


def test_the_discrepancy_is_the_cores_and_pointing_at_a_picture_shows_its_code(read, opened):
    models.publish(opened)
    core = generation(
        {"model": opened.id, "count": 500, "permutations": 500, "seed": 0}, lambda *_: None, lambda: False
    )
    reader = read(8)
    figures = reader.page.locator(".eq-mmd output")
    expect(figures.first).to_be_visible()
    assert [number(text) for text in figures.all_inner_texts()] == pytest.approx(
        [core["mmd"], core["baseline"]["mmd"], core["reconstructed"]["mmd"]], abs=6e-5
    )
    expect(reader.page.locator(".closes")).to_contain_text(f"{core['limit']:.4f}")
    pictures = reader.page.locator(".eq-pictures.samples canvas")
    expect(pictures).to_have_count(len(core["samples"]))
    pictures.nth(3).hover()
    shown = sorted(dimension.index for dimension in opened.dimensions[:2])
    wanted = ", ".join(f"{core['codes'][3][d]:.2f}".replace("-", "−") for d in shown)
    expect(reader.handle("z")).to_have_attribute("aria-valuetext", wanted)


def test_without_the_data_reconstructions_stand_in_and_it_is_said(read):
    reader = read(8, model="mnist-vae-2d")
    expect(reader.page.locator(".of-data")).to_contain_text(
        "reconstructions of data, which are not on this machine"
    )


def test_z_is_dragged_and_decoded(read):
    reader = read(8)
    here = reader.page.locator(".here canvas")
    reader.visitor.until(lambda: here.evaluate("canvas => canvas.width") == 8)
    before = reader.visitor.pixels(here)
    reader.drag("z", 60, -40)
    reader.visitor.until_pixels_change(before, here)
