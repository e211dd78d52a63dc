"""From an empty form to a model under the pointer: train on the page, watch, stop, resume, explore, delete."""

import re

import pytest
from playwright.sync_api import expect

from tests.training import making
from vae_core.training import jobs
from vae_core.training import run as runs

pytestmark = pytest.mark.browser

# Epochs. The run is stopped, and must not have ended by then: it has no more than some 100 snapshots, however long it
# is, and the browser may be a hundred times slower than the training beside it. A newer snapshot takes seconds.
LONG = 40_000


def go_to(visitor, page):
    visitor.page.get_by_role("link", name=page).click()


@pytest.fixture
def trainee(visit):
    """Somebody whose runs end with the test."""
    visitor = visit().open()
    yield visitor
    for run in runs.find(jobs.root()):
        jobs.stop(run)
    visitor.until(lambda: not any(run.is_alive() for run in runs.find(jobs.root())), "an end of it")
    for run in runs.find(jobs.root()):
        runs.delete(run)


def epoch_on_explore(visitor):
    """The epoch whose model is under the sliders, by the words above them."""
    words = visitor.page.get_by_text(re.compile(r"epoch \d+ ·")).inner_text()
    return int(re.search(r"epoch (\d+)", words).group(1))


def test_train_leave_come_back_stop_and_delete(trainee, visit):
    page = trainee.page
    go_to(trainee, "Train")
    page.get_by_text("Small digits").click()
    expect(trainee.find("code")).to_contain_text("--data digits")
    epochs = page.get_by_role("spinbutton", name="Epochs", exact=True)
    epochs.fill(str(LONG))
    epochs.press("Enter")
    expect(trainee.find("code")).to_contain_text(f"--epochs {LONG}")
    name = page.get_by_placeholder("What to call this run")
    name.fill("Ours")
    name.press("Enter")
    trainee.button("Train").click()
    expect(trainee.find(".run")).to_contain_text("images/s")
    (run,) = runs.find(jobs.root())
    assert page.url.endswith(f"run={run.id}")

    page.goto("about:blank")
    done = run.status().epoch
    trainee.until(lambda: run.status().epoch > done, "an epoch that nobody watched")
    visitor = visit().open()
    go_to(visitor, "Train")
    expect(visitor.find(".run")).to_contain_text("Ours")

    visitor.button("Stop").click()
    expect(visitor.button("Resume")).to_be_visible()
    visitor.button("More").click()
    expect(visitor.button("Delete")).to_be_disabled()
    visitor.page.get_by_text("Delete this run and all its epochs").click()
    visitor.button("Delete").click()
    expect(visitor.button("Train")).to_be_visible()
    assert not run.folder.exists()


def test_resume_and_explore_what_trains(trainee):
    run = making.make(jobs.root(), "Theirs", epochs=LONG)
    trainee.page.goto(f"{trainee.home}train?run={run.id}")
    trainee.button("Start").click()
    trainee.until(lambda: run.status().epoch > 0, "an epoch")
    trainee.button("Stop").click()
    expect(trainee.button("Resume")).to_be_visible()
    trainee.button("Resume").click()
    done = run.status().epoch
    trainee.until(lambda: run.status().epoch > done, "an epoch after the resumption")

    trainee.button("Explore").click()
    trainee.painted()
    first = trainee.slider(0)
    first.focus()
    first.press("End")
    trainee.until_url_follows()
    value, z, pixels, shown = trainee.value(), trainee.z, trainee.pixels(), epoch_on_explore(trainee)
    trainee.until(lambda: epoch_on_explore(trainee) > shown, "a newer epoch")
    trainee.until_pixels_change(pixels)
    assert (trainee.value(), trainee.z) == (value, z)
