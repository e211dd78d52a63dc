"""Watching a run: its curves, the film, the scrubber over both, and what happens when it changes under the page."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import PHONE
from tests.browser.server import Server
from tests.browser.test_layout import CONTRASTS
from tests.browser.visitor import Visitor
from tests.training import filming

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def runs(root):
    """A run of each kind, by what is special about it."""
    return {
        "finished": filming.make(root, epochs=6, message="Finished after 6 epochs."),
        "wide": filming.make(root, epochs=6, latent_dim=10, labels=16, title="A run with a long title " * 3),
        "autoencoder": filming.make(root, epochs=6, kind="autoencoder", labels=0),
        "one": filming.make(
            root, epochs=2, latent_dim=1, state="failed", message="Out of memory in epoch 3: do less."
        ),
        "interrupted": filming.make(root, epochs=2, state="training"),
        "fresh": filming.making.make(root, "Fresh"),
    }


@pytest.fixture(scope="module")
def server(runs, root, tmp_path_factory):
    """The one page, with these runs."""
    server = Server(tmp_path_factory.mktemp("server") / "log.txt", "tests/browser/run_page.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAE_RUNS_DIR", str(root))
        server.start()
    yield server
    server.stop()


@pytest.fixture
def watch(visit, runs):
    """Make somebody who watches a run."""

    def open_run(run, **options) -> Visitor:
        visitor = visit(**options)
        run = runs[run] if isinstance(run, str) else run
        visitor.page.goto(f"{visitor.home}?run={run.id}")
        expect(visitor.find('.run[aria-busy="false"]')).to_be_visible()
        return visitor

    return open_run


@pytest.fixture
def busy(root):
    """A run whose process is this test: it holds the lock for as long as it lives."""
    run = filming.make(root, epochs=2, state="training", remaining_s=42.4)
    lock = run.hold()
    yield run
    lock.release()


def slider(visitor):
    return visitor.page.get_by_role("slider", name="Epoch")


def at_epoch(visitor, epoch):
    expect(slider(visitor)).to_have_attribute("aria-valuenow", str(epoch))
    expect(visitor.find(".epoch")).to_have_text(f"epoch {epoch}" if epoch else "before training")


def reconstruction(visitor):
    """The one grey level of the reconstructions shown: ten times their epoch."""
    pixels = visitor.pixels(visitor.find(".pair .strip").nth(1))
    assert pixels.min() == pixels.max()
    return int(pixels.max())


def cloud(visitor):
    """What the canvas of codes shows, to be compared."""
    return visitor.find(".stage canvas").evaluate("canvas => canvas.toDataURL()")


def press(visitor, share):
    """Put the pointer down on the timeline, `share` of the way along its axis."""
    visitor.page.mouse.move(*place(visitor, share))
    visitor.page.mouse.down()


def place(visitor, share):
    axis, curve = visitor.find(".axis").bounding_box(), visitor.find(".curve .plot").first.bounding_box()
    return axis["x"] + share * axis["width"], curve["y"] + curve["height"] / 2


def test_a_finished_run_shows_its_last_epoch_and_asks_no_more(watch):
    visitor = watch("finished")
    at_epoch(visitor, 6)
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    expect(visitor.find(".state")).to_have_text("finished")
    expect(visitor.find(".message")).to_have_text("Finished after 6 epochs.")
    expect(visitor.find(".facts")).to_contain_text("epoch 6 of 6 · 38,100 images/s")
    expect(visitor.find(".curve .name")).to_have_text(["ELBO", "reconstruction", "KL", "KL per dimension"])
    expect(visitor.find(".curve .values b").first).to_have_text("−24.00")
    expect(visitor.find(".curve .values i").first).to_have_text("−23.00")
    expect(visitor.find(".heat .values")).to_have_text("z₁ 1.00  z₂ 2.00")
    expect(visitor.find(".chip")).to_have_count(10)
    expect(visitor.find(".live")).to_be_hidden()
    assert reconstruction(visitor) == 60
    visitor.page.wait_for_timeout(1200)
    assert not [url for url in asked if "/film/" not in url]

    the_best_epoch_has_a_star(visitor)


def the_best_epoch_has_a_star(visitor):
    star, axis = visitor.find(".star:visible"), visitor.find(".axis").bounding_box()
    expect(star).to_have_count(1)
    assert star.get_attribute("title") == "best held-out ELBO: epoch 5"
    box = star.bounding_box()
    assert (box["x"] + box["width"] / 2 - axis["x"]) / axis["width"] == pytest.approx(5.5 / 7, abs=0.02)


def test_dragging_over_the_timeline_scrubs_the_film_without_a_script_run(watch):
    visitor = watch("finished")
    at_epoch(visitor, 6)
    runs, before = visitor.script_runs, cloud(visitor)
    press(visitor, 0.5 / 7)
    at_epoch(visitor, 0)
    for epoch in range(1, 7):
        visitor.page.mouse.move(*place(visitor, (epoch + 0.5) / 7))
        at_epoch(visitor, epoch)
        assert reconstruction(visitor) == 10 * epoch
    visitor.page.mouse.move(0, 0)  # pressed, the pointer may leave
    at_epoch(visitor, 0)
    visitor.page.mouse.up()
    assert cloud(visitor) != before
    visitor.page.mouse.move(*place(visitor, 0.9))  # released, it leads nowhere
    at_epoch(visitor, 0)
    assert visitor.script_runs == runs


def test_keys_scrub_and_the_words_follow(watch):
    visitor = watch("finished")
    at_epoch(visitor, 6)
    slider(visitor).focus()
    for key, epoch in (
        ("Home", 0),
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 6),
        ("PageUp", 6),
        ("ArrowLeft", 5),
    ):
        visitor.page.keyboard.press(key)
        at_epoch(visitor, epoch)
    expect(slider(visitor)).to_have_attribute(
        "aria-valuetext", "epoch 5, held-out ELBO −23.00 nats, the best"
    )
    assert slider(visitor).get_attribute("aria-valuemin") == "0"
    assert slider(visitor).get_attribute("aria-valuemax") == "6"


def test_axes_stay_where_they_are_over_the_whole_film(watch):
    visitor = watch("finished")
    at_epoch(visitor, 6)
    visitor.until(lambda: len(fetched(visitor)) == 7, "all pictures")
    axes = visitor.find(".axes").inner_html()
    assert "ring prior" in axes
    slider(visitor).focus()
    visitor.page.keyboard.press("Home")
    at_epoch(visitor, 0)
    assert visitor.find(".axes").inner_html() == axes


def fetched(visitor):
    return visitor.page.evaluate(
        "performance.getEntriesByType('resource').map(e => e.name).filter(name => /film\\/\\d+$/.test(name))"
    )


def test_the_film_plays_in_a_loop_until_it_is_paused(watch):
    visitor = watch("finished")
    at_epoch(visitor, 6)
    visitor.button("▶ Play").click()
    seen = visitor.page.evaluate("""() => new Promise((done) => {
      const find = () => [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector(".epoch")).find(Boolean);
      const label = find() ?? document.querySelector(".epoch"), seen = [];
      new MutationObserver(() => { seen.push(label.textContent); if (seen.length === 9) done(seen); })
        .observe(label, { childList: true, characterData: true, subtree: true });
    })""")
    in_order = ["before training", *(f"epoch {epoch}" for epoch in range(1, 7))] * 3
    start = in_order.index(seen[0])
    assert seen == in_order[start : start + 9]
    visitor.button("❚❚ Pause").click()
    stands = slider(visitor).get_attribute("aria-valuenow")
    visitor.page.wait_for_timeout(300)
    assert slider(visitor).get_attribute("aria-valuenow") == stands


def test_a_class_can_stand_out(watch):
    visitor = watch("finished")
    at_epoch(visitor, 6)
    before = cloud(visitor)
    chip = visitor.find(".chip").nth(3)
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    assert cloud(visitor) != before
    chip.click()
    assert cloud(visitor) == before


def test_a_run_at_work_is_followed_until_somebody_moves_the_cursor(watch, busy):
    visitor = watch(busy)
    at_epoch(visitor, 2)
    expect(visitor.find(".state")).to_have_text("training")
    expect(visitor.find(".facts")).to_contain_text("epoch 3 of 6 · 38,100 images/s · 42 s left")
    runs = visitor.script_runs
    filming.add(busy, 3)
    at_epoch(visitor, 3)
    press(visitor, 1.5 / 7)
    visitor.page.mouse.up()
    at_epoch(visitor, 1)
    expect(visitor.button("Live")).to_have_attribute("aria-pressed", "false")
    filming.add(busy, 4)
    expect(slider(visitor)).to_have_attribute("aria-valuemax", "4")
    at_epoch(visitor, 1)
    visitor.button("Live").click()
    at_epoch(visitor, 4)
    assert visitor.script_runs == runs
    filming.add(busy, 5)
    filming.say(busy, "finished", 5, message="Finished after 5 epochs.")
    expect(visitor.page.get_by_text("script run 2: finished")).to_be_visible()  # the page's buttons follow
    at_epoch(visitor, 5)
    expect(visitor.find(".state")).to_have_text("finished")
    expect(visitor.find(".live")).to_be_hidden()
    visitor.page.wait_for_timeout(300)
    assert visitor.script_runs == runs + 1


def test_a_request_to_stop_is_seen_before_the_process_notices(watch, busy):
    visitor = watch(busy)
    expect(visitor.find(".state")).to_have_text("training")
    busy.request_stop()
    expect(visitor.find(".state")).to_have_text("stopping")
    expect(visitor.find(".message")).to_have_text("Ending the step under way and writing a checkpoint.")
    expect(visitor.page.get_by_text("script run 2: stopping")).to_be_visible()  # the page's buttons follow


def test_a_run_that_goes_on_from_before_forgets_what_came_after(watch, busy):
    visitor = watch(busy)
    at_epoch(visitor, 2)
    busy.film(2).unlink()  # as a resumed run does; its table of figures is rewritten with the next snapshot
    expect(slider(visitor)).to_have_attribute("aria-valuemax", "1")
    at_epoch(visitor, 1)
    filming.add(busy, 2)
    at_epoch(visitor, 2)


def test_nothing_moves_when_the_first_snapshot_arrives(watch, root):
    run = filming.making.make(root, "Waits")
    filming.say(
        run, "queued", 0, message="Waiting for its turn: the run at work has to end first.", images_per_s=0.0
    )
    lock = run.hold()
    try:
        visitor = watch(run)
        expect(visitor.find(".state")).to_have_text("queued")
        expect(visitor.find(".message")).to_contain_text("Waiting for its turn")
        expect(visitor.button("▶ Play")).to_be_disabled()
        places = [box(visitor) for box in (stage, timeline, pairs)]
        donor = filming.make(root, epochs=1)
        (donor.folder / "film").rename(run.folder / "film")
        run.write_metrics(donor.metrics())
        at_epoch(visitor, 1)
        assert [box(visitor) for box in (stage, timeline, pairs)] == places
    finally:
        lock.release()


def stage(visitor):
    return visitor.find(".stage").bounding_box()


def timeline(visitor):
    return visitor.find(".plots").bounding_box()


def pairs(visitor):
    return visitor.find(".pairs .tiles").bounding_box()


def test_a_model_without_a_posterior_shows_its_reconstruction_and_says_why(watch):
    visitor = watch("autoencoder")
    at_epoch(visitor, 6)
    expect(visitor.find(".curve .name")).to_have_text(["reconstruction"])
    expect(visitor.find(".note")).to_contain_text("no KL term and no ELBO")
    expect(visitor.find(".samples figcaption")).to_have_text(
        "no prior: codes drawn from N(0, I) all the same"
    )
    expect(visitor.find(".chip")).to_have_count(0)


def test_an_interrupted_run_shows_its_last_words(watch, runs):
    runs["interrupted"].log("the last thing it said")
    visitor = watch("interrupted")
    expect(visitor.find(".state")).to_have_text("interrupted")
    expect(visitor.find(".message")).to_contain_text("The process died after")
    expect(visitor.find(".log pre")).to_contain_text("the last thing it said")


def test_a_server_that_is_away_is_asked_again(watch, busy):
    visitor = watch(busy)
    at_epoch(visitor, 2)
    visitor.page.route(f"**/runs/{busy.id}*", lambda route: route.abort())
    expect(visitor.find(".away")).to_have_text("The server does not answer; trying again…")
    at_epoch(visitor, 2)  # what is known stays
    visitor.page.unroute(f"**/runs/{busy.id}*")
    expect(visitor.find(".away")).to_have_text("")
    visitor.problems = [line for line in visitor.problems if "net::ERR_FAILED" not in line]


def test_the_film_can_be_saved(watch, runs, tmp_path):
    visitor = watch("finished")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Save GIF").click()
    assert download.value.suggested_filename == f"{runs['finished'].id}.gif"
    download.value.save_as(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as gif:
        assert gif.n_frames == 7
    expect(visitor.find(".making")).to_be_hidden()


def test_saving_can_be_cancelled(watch):
    visitor = watch("finished")
    visitor.page.route("**/film.mp4", lambda route: None)  # never answered
    visitor.page.get_by_role("link", name="Save MP4").click()
    expect(visitor.page.get_by_text("Making the film…")).to_be_visible()
    visitor.button("Cancel").click()
    expect(visitor.page.get_by_role("link", name="Save MP4")).to_be_visible()
    expect(visitor.find(".trouble")).to_have_text("")
    visitor.problems = [line for line in visitor.problems if "film.mp4" not in line]


def test_another_run_takes_the_place_and_none_asks_nothing(watch, runs, busy):
    visitor = watch(busy)
    at_epoch(visitor, 2)
    visitor.page.get_by_text(runs["wide"].id, exact=True).click()
    expect(visitor.find(".title")).to_contain_text("A run with a long title")
    at_epoch(visitor, 6)
    expect(visitor.find(".chip")).to_have_count(16)
    expect(visitor.find(".codes figcaption")).to_have_text("held-out codes, PCA, 81 % of the variance")
    visitor.page.get_by_text(busy.id, exact=True).click()
    at_epoch(visitor, 2)
    visitor.page.get_by_text("none", exact=True).click()
    expect(visitor.find(".run")).to_have_count(0)
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.wait_for_timeout(1200)
    assert not [url for url in asked if "/runs/" in url]


@pytest.mark.parametrize("run", ["wide", "one"])
def test_nothing_is_wider_than_the_screen(watch, run):
    visitor = watch(run)
    main = visitor.page.get_by_test_id("stMain")
    for width in (320, 390, 768, 1280):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        assert visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert main.evaluate("main => main.scrollWidth - main.clientWidth") <= 0


def test_on_a_phone_codes_and_timeline_are_seen_together(watch):
    visitor = watch("finished", viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    at_epoch(visitor, 6)
    top, bottom = stage(visitor), timeline(visitor)
    assert bottom["y"] + bottom["height"] - top["y"] < PHONE["height"] - 60  # Streamlit's own header


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read(watch, scheme):
    visitor = watch("interrupted", color_scheme=scheme)
    expect(visitor.find(".epoch")).to_contain_text("epoch")
    ours = ".title, .state, .facts, .message, .name, .values b, .values i, .clipped, .key, .note, figcaption, .chip span, pre, summary"
    measure, count = re.subn(
        r'return find\("[^"]*"\)', f'return find("{ours}, button:not(:disabled)")', CONTRASTS
    )
    assert count == 1
    contrasts = visitor.page.evaluate(measure)
    assert len(contrasts) > 15
    assert [(what, round(ratio, 2)) for what, ratio in contrasts if ratio < 4.5] == []
