"""The form of a new run in the browser: what it says beside its button, and what its fields show at every moment."""

import io
import re
import zipfile

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LAPTOP
from tests.browser.server import Server
from tests.browser.visitor import Visitor
from tests.training import making
from vae_core.training import jobs
from vae_core.training import run as runs

pytestmark = pytest.mark.browser

# What every number field shows, by its label, now and whenever it changes.
FIELDS = """() => Object.fromEntries([...document.querySelectorAll('[data-testid="stNumberInputField"]')]
  .map((field) => [field.ariaLabel, field.value]))"""
RECORD = f"""() => {{
  window.shown = [];
  const fields = {FIELDS};
  const note = () => {{ shown.push(fields()); requestAnimationFrame(note); }};
  note();
}}"""


@pytest.fixture
def trainer(visit):
    """Somebody before the form; the runs that the tests made go with them."""
    visitor = visit()
    visitor.page.goto(f"{visitor.home}train?show=form")
    expect(visitor.button("Train")).to_be_enabled()
    yield visitor
    for run in runs.find(jobs.root()):
        runs.delete(run)


def fields(visitor: Visitor) -> dict[str, str]:
    return visitor.page.evaluate(FIELDS)


def in_view(visitor: Visitor, locator) -> bool:
    box = locator.bounding_box()
    scrolled = visitor.page.get_by_test_id("stMain").evaluate("main => main.scrollTop")
    return scrolled == 0 and box["y"] >= 0 and box["y"] + box["height"] <= LAPTOP["height"]


def fill(locator, text: str) -> None:
    locator.fill(text)
    locator.press("Enter")


def test_a_title_takes_as_many_characters_as_a_run_may_have(trainer):
    title = trainer.page.get_by_placeholder("What to call this run")
    title.press_sequentially("x" * (runs.MAX_TITLE + 1))
    assert len(title.input_value()) == runs.MAX_TITLE


def test_what_keeps_a_run_from_being_made_is_said_in_view(trainer):
    fill(trainer.page.get_by_placeholder("What to call this run"), "zero\u200bwidth")
    before = list(jobs.root().iterdir())
    trainer.button("Train").click()
    expect(trainer.alerts).to_contain_text("title = ")
    assert in_view(trainer, trainer.alerts)
    assert list(jobs.root().iterdir()) == before

    fill(trainer.page.get_by_role("spinbutton", name="Cycles", exact=True), "2")
    fill(trainer.page.get_by_role("spinbutton", name="Warm-up epochs", exact=True), "3")
    expect(trainer.alerts).to_contain_text("warmup_epochs is 3 and cycles is 2")
    trainer.page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
    assert in_view(trainer, trainer.alerts)
    expect(trainer.button("Train")).to_be_disabled()


def test_after_a_delete_no_field_ever_shows_anything_but_its_value(trainer):
    run = making.make(jobs.root(), "To be deleted")
    trainer.page.goto(f"{trainer.home}train?run={run.id}")
    trainer.button("More").click()
    trainer.page.get_by_text("Delete this run and all its epochs").click()
    expect(trainer.button("Delete")).to_be_enabled()
    trainer.page.evaluate(RECORD)
    trainer.button("Delete").click()
    expect(trainer.find("code")).to_contain_text("--data mnist")
    last = fields(trainer)
    assert last["Learning rate"] == "0.001"
    seen = trainer.page.evaluate("shown.filter((each) => Object.keys(each).length)")
    assert seen
    assert [each for each in seen if not each.items() <= last.items()] == []


def test_back_from_another_page_the_address_names_the_run_again(trainer):
    run = making.make(jobs.root(), "The one in view")
    making.make(jobs.root(), "A newer one")
    address = f"{trainer.home}train?run={run.id}"
    trainer.page.goto(address)
    expect(trainer.button("Start")).to_be_visible()
    trainer.page.get_by_role("link", name="Explore").click()
    trainer.painted().rested()
    trainer.page.go_back()
    expect(trainer.button("Start")).to_be_visible()
    assert trainer.page.url == address
    trainer.button("New run").click()
    expect(trainer.button("Train")).to_be_enabled()
    assert trainer.page.url == f"{trainer.home}train?show=form"
    trainer.page.go_back()
    expect(trainer.button("Start")).to_be_visible()
    assert trainer.page.url == address


def nameless_zip() -> bytes:
    """A .zip with a file that has no name, which Python's own zipfile does not expect."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive, archive.open(zipfile.ZipInfo(""), "w") as file:
        file.write(b"somebody")
    return content.getvalue()


def test_a_broken_upload_leaves_the_form_as_it_was(trainer):
    fill(trainer.page.get_by_role("spinbutton", name="Latent dimensions", exact=True), "7")
    expect(trainer.find("code")).to_contain_text("--latent-dim 7")
    before = fields(trainer)
    dataset = trainer.page.get_by_role("combobox", name=re.compile("Dataset"))
    dataset.click()
    trainer.page.get_by_role("option", name="Your own…").click()
    file = {"name": "own.zip", "mimeType": "application/zip", "buffer": nameless_zip()}
    trainer.page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(file)
    expect(trainer.alerts.filter(has_text="has no name")).to_be_visible()
    now = fields(trainer)
    assert {name: now.get(name, value) for name, value in before.items()} == before


@pytest.fixture
def failing(data_folder, tmp_path):
    """The form in a server of its own, in which an error of this program can be had."""
    server = Server(tmp_path / "log.txt", "tests/browser/failing_form_page.py")
    server.start()
    yield server
    server.stop()


def test_an_error_in_this_program_leaves_the_form_as_it_was(failing, browser, tmp_path):
    """The browser makes anew each widget that the error kept from being shown."""
    data = tmp_path / "own.csv"
    data.write_text("a,b\n" + "".join(f"{i},{i % 7}\n" for i in range(200)))
    with browser.new_context(viewport=LAPTOP) as context:
        visitor = Visitor(context.new_page(), failing.url)
        visitor.page.goto(failing.url)
        visitor.page.get_by_role("combobox", name=re.compile("Dataset")).click()
        visitor.page.get_by_role("option", name="Your own…").click()
        path = visitor.page.get_by_role("textbox", name="Path")
        fill(path, str(data))
        expect(visitor.find("code")).to_contain_text("own.csv")
        before = fields(visitor)
        assert before["Learning rate"] == "0.001"
        fill(path, "fail.csv")
        expect(visitor.page.get_by_test_id("stException")).to_be_visible()
        expect(visitor.page.get_by_role("spinbutton", name="Learning rate", exact=True)).to_be_hidden()
        fill(path, str(data))
        expect(visitor.find("code")).to_contain_text("own.csv")
        assert fields(visitor) == before
        expect(visitor.button("Train")).to_be_enabled()
