"""The Compare page in a real browser: columns decode what their models say, move together, and hold the same figures."""

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from vae_core.models.rendering import render
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_explorer import library

pytestmark = pytest.mark.browser

NAMES = ("mnist-vae-2d", "mnist-ae-2d", "mnist-vae-10d")
FEW_SHADES = 3  # a slider's value is rounded to a hundredth


@pytest.fixture(scope="module")
def models(data_folder):
    return [library.open_file(name, library.FOLDER / f"{name}.safetensors") for name in NAMES]


class Watcher:
    """Somebody on the Compare page."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page

    @property
    def columns(self):
        return self.page.locator(".model")

    def shown(self, column, figure):
        return self.visitor.pixels(self.columns.nth(column).locator(f".{figure} canvas"))[..., 0].astype(int)

    def until_shows(self, column, figure, opened, code):
        expected = render(opened.checkpoint.model, code[None].astype(np.float32))[0, ..., 0].astype(int)

        def same():
            shown = self.shown(column, figure)
            return shown.shape == expected.shape and np.abs(shown - expected).max() <= FEW_SHADES

        self.visitor.until(same, f"{figure} of {opened.name}")

    @property
    def item(self):
        words = self.page.locator(".item .name")
        expect(words).to_contain_text("item")
        return int(re.search(r"item ([\d,]+)", words.inner_text())[1].replace(",", ""))

    def slide(self, t):
        self.page.locator(".stroll .t").evaluate(
            "(slider, t) => { slider.value = t; for (const name of ['input', 'change']) slider.dispatchEvent(new Event(name)); }",
            t,
        )

    def figures(self, key):
        return self.page.locator(f"[data-figure={key}] td")

    def query(self, name):
        return parse_qs(urlsplit(self.page.url).query).get(name, [""])[0]


@pytest.fixture
def watch(visit):
    def open_page(query="", **options):
        visitor = visit(**options)
        visitor.page.goto(f"{visitor.home}compare?{query or 'models=' + ','.join(NAMES)}")
        expect(visitor.page.locator(".compare")).to_be_visible()
        return Watcher(visitor)

    return open_page


def walked(opened, item, rank, t):
    """The code that a walk leads to."""
    code = opened.checkpoint.reference.mean[item].numpy().astype(np.float64)
    if rank < len(opened.dimensions):
        dimension = opened.dimensions[rank]
        code[dimension.index] += t * np.sqrt(dimension.variance)
    return code


def test_at_first_the_bundled_models_of_one_dataset_stand_side_by_side(watch):
    watcher = watch("model=mnist-vae-2d")
    expect(watcher.page.locator(".model h3")).to_have_text([re.compile(name) for name in NAMES])
    watcher.visitor.until(lambda: watcher.query("models") == ",".join(NAMES), "the address")
    expect(watcher.page.get_by_role("button", name="2 refused")).to_be_visible()


def test_every_column_reconstructs_the_same_item(watch, models):
    watcher = watch()
    for _ in range(2):
        item = watcher.item
        for column, opened in enumerate(models):
            watcher.until_shows(column, "reconstruction", opened, walked(opened, item, 0, 0))
        watcher.visitor.button("Next item").click()
        expect(watcher.page.locator(".item .name")).to_contain_text(f"item {item + 1}")


def test_one_slider_walks_through_all_models_each_in_its_own_units(watch, models):
    watcher = watch()
    assert watcher.item == 0
    for t in (-2.0, 1.5):
        watcher.slide(t)
        for column, opened in enumerate(models):
            watcher.until_shows(column, "walked", opened, walked(opened, 0, 0, t))
    watcher.visitor.until(lambda: watcher.query("t") == "1.50", "the address")


def test_a_bar_chooses_the_dimension_and_models_without_it_stand_still(watch, models):
    watcher = watch()
    assert watcher.item == 0
    watcher.slide(2.0)
    watcher.columns.nth(2).locator(".bars button").nth(3).click()
    for column, opened in enumerate(models):
        watcher.until_shows(column, "walked", opened, walked(opened, 0, 3, 2.0))
    expect(watcher.columns.nth(0).locator(".walked figcaption")).to_have_text("no 4th dimension")


def test_a_click_on_a_point_shows_its_item_everywhere(watch, models):
    watcher = watch()
    assert watcher.item == 0
    box = watcher.columns.nth(0).locator(".scatter").bounding_box()
    watcher.page.mouse.click(box["x"] + 0.55 * box["width"], box["y"] + 0.6 * box["height"])
    watcher.visitor.until(lambda: watcher.item != 0, "another item")
    for column, opened in enumerate(models):
        watcher.until_shows(column, "reconstruction", opened, walked(opened, watcher.item, 0, 0))


def test_the_address_opens_the_same_comparison_again(watch, models):
    watcher = watch(f"models={NAMES[2]},{NAMES[0]}&item=7&k=2&t=-1.50&axes=pca&scale=one")
    expect(watcher.page.locator(".item .name")).to_contain_text("item 7")
    for column, opened in enumerate([models[2], models[0]]):
        watcher.until_shows(column, "walked", opened, walked(opened, 7, 1, -1.5))
    expect(watcher.page.locator(".scatter .x-name").first).to_have_text("PC1 →")
    assert [watcher.query(name) for name in ("item", "k", "t", "axes", "scale")] == [
        "7",
        "2",
        "-1.50",
        "pca",
        "one",
    ]


def test_the_table_holds_the_stored_figures_and_sets_the_best_in_bold(watch, models):
    watcher = watch(f"models={','.join(NAMES)}&tab=figures")
    elbos = [opened.checkpoint.description.evaluation.get("elbo") for opened in models]
    expect(watcher.figures("elbo")).to_have_text(
        ["–" if elbo is None else f"{elbo:.1f}".replace("-", "−") for elbo in elbos]
    )
    expect(watcher.figures("elbo").locator("b")).to_have_count(1)
    expect(watcher.figures("elbo").nth(2).locator("b")).to_be_visible()
    expect(watcher.figures("elbo").nth(1)).to_have_attribute("title", re.compile(r"\.$"))
    expect(watcher.figures("continuity").first).to_have_text(re.compile(r"^0\.\d\d 0\.\d\d–0\.\d\d$"))
    expect(watcher.page.locator(".rate-distortion svg .name")).to_have_text(
        ["mnist-vae-2d", "mnist-ae-2d: R = ∞", "mnist-vae-10d"]
    )


def test_what_is_not_known_is_measured_when_asked_for(watch):
    watcher = watch(f"models={NAMES[0]},{NAMES[1]}&tab=figures")
    expect(watcher.figures("knn_accuracy").first).to_have_text(re.compile(r"…|0\.\d+"))
    if watcher.visitor.button("Measure the rest").is_visible():
        watcher.visitor.button("Measure the rest").click()
    expect(watcher.figures("knn_accuracy")).to_have_text([re.compile(r"^0\.[89]\d\d$")] * 2)
    expect(watcher.visitor.button("Measure the rest")).to_be_hidden()


def test_errors_against_width_show_the_models_chosen(watch):
    watcher = watch("models=digits-vae-2d&tab=reduction")
    expect(watcher.page.locator(".reduction svg path.pca")).to_have_count(1)
    expect(
        watcher.page.locator(".reduction svg .name.strong").filter(has_text="digits-vae-2d")
    ).to_have_count(1)


def test_models_of_other_data_are_refused_in_a_sentence(watch):
    watcher = watch(f"models={NAMES[0]},digits-vae-2d")
    expect(watcher.visitor.alerts).to_contain_text("cannot be compared")
    expect(watcher.columns).to_have_count(1)


def test_missing_models_are_trained_from_here_and_pca_is_the_linear_autoencoder(watch):
    """The queue of runs from one button, and the issue's promise: below one degree after training."""
    try:
        watcher = watch("models=digits-vae-2d")
        page = watcher.page
        watcher.visitor.button("Train 5 missing").click()
        for name in ("Autoencoder", "Denoising autoencoder", "β-VAE with β = 4"):
            watcher.visitor.button(name).click()
        watcher.visitor.button("Train 2").click()
        expect(page.get_by_text("2 of 2 trained")).to_be_visible()
        found = {run.title(): f"run/{run.id}" for run in runs.find(jobs.root())}
        chosen = [found["PCA, 2-D digits"], found["Linear autoencoder, 2-D digits"]]
        again = watch(f"models={','.join(chosen)}&tab=subspaces")
        verdict = again.page.locator(".verdict")
        expect(verdict).to_contain_text("the same subspace")
        assert float(verdict.locator("b").inner_text().strip("< °")) < 1
        expect(again.page.locator(".pictures canvas")).to_have_count(8)
    finally:
        for run in runs.find(jobs.root()):
            runs.delete(run)


def test_on_a_phone_columns_scroll_and_the_page_does_not(watch):
    watcher = watch(viewport=PHONE)
    expect(watcher.columns).to_have_count(3)
    wide = watcher.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"]
    room = watcher.page.locator(".columns").evaluate("columns => columns.scrollWidth / columns.clientWidth")
    assert room > 1.5
