"""The Train page: the form, starting, choosing, stopping, keeping, renaming and deleting runs."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.training import making
from vae_core.errors import TrainingError
from vae_core.training import jobs
from vae_core.training import run as runs
from vae_core.training.run import Metrics, Status
from vae_explorer import library
from vae_explorer.train import form, own_data

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "train.py")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of runs of the test's own; nothing is really started."""
    monkeypatch.setenv("VAE_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setattr(jobs, "start", lambda run: run.say(Status(state="queued", updated=1.0)))
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setattr(library, "FOLDER", tmp_path / "checkpoints")
    return tmp_path / "runs"


@pytest.fixture
def page(root, monkeypatch):
    monkeypatch.setattr(
        "vae_explorer.train.view.show", lambda run, state: None
    )  # a component needs a browser
    return AppTest.from_file(PAGE, default_timeout=PATIENCE_S)


def button(page, label):
    return next(each for each in page.button if each.label == label)


def test_the_empty_state_is_the_form_with_a_preset_filled_in(page):
    page.run()
    assert not page.exception
    assert page.selectbox(key="train:data").value == "mnist"
    assert "--data mnist" in page.code[0].value
    assert not button(page, "Train").disabled


def test_train_starts_what_the_form_says(page, root):
    page.run()
    page.selectbox(key="train:data").set_value("digits").run()
    page.number_input(key="train:latent_dim").set_value(3)
    page.text_input(key="train:hidden").set_value("32")
    page.number_input(key="train:epochs").set_value(2).run()
    page.text_input(key="train_title").set_value("My first")
    button(page, "Train").click().run()
    assert not page.exception
    (run,) = runs.find(root)
    made = run.experiment()
    assert (made.data.name, made.model.latent_dim, made.model.hidden) == ("digits", 3, (32,))
    assert made.training.epochs == 2
    assert run.title() == "My first"
    assert page.session_state["train_run"] == run.id


def test_a_title_of_any_length_is_refused_in_a_sentence_and_leaves_nothing(page, root):
    page.run()
    page.text_input(key="train_title").set_value("x\0y").run()
    button(page, "Train").click().run()
    assert "title = " in page.error[0].value
    assert page.text_input(key="train_title").proto.max_chars == runs.MAX_TITLE
    assert not root.exists()


def test_a_run_whose_process_cannot_be_started_is_said_and_not_kept(page, root, monkeypatch):
    def fail(run):
        raise TrainingError(f"{run.title()} could not be started (no more processes); try again.")

    monkeypatch.setattr(jobs, "start", fail)
    page.run()
    button(page, "Train").click().run()
    assert "no more processes" in page.error[0].value
    assert runs.find(root) == []
    assert list(root.iterdir()) == []


BROKEN = {
    "a setting": lambda page, tmp_path: page.number_input(key="train:learning_rate").set_value(0.0).run(),
    "two settings": lambda page, tmp_path: (
        page.number_input(key="train:warmup_epochs").set_value(3),
        page.number_input(key="train:cycles").set_value(2).run(),
    ),
    "a path": lambda page, tmp_path: (
        page.selectbox(key="train:data").set_value(form.OWN).run(),
        page.text_input(key="train:path").set_value(str(tmp_path / "gone.npy")).run(),
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_whatever_keeps_a_run_from_being_made_is_said_once_and_before_the_fields(page, tmp_path, what):
    page.run()
    BROKEN[what](page, tmp_path)
    assert not page.exception
    assert button(page, "Train").disabled
    assert len(page.error) == 1
    order = [element.type for element in page.main]
    assert order.index("error") < order.index("selectbox")


def test_an_error_in_this_program_leaves_the_form_as_it_was(page, tmp_path, monkeypatch):
    """The browser forgets the widgets that an uncaught error kept from being shown, the session does not."""
    page.run()
    page.number_input(key="train:latent_dim").set_value(7).run()
    monkeypatch.setattr(own_data, "choose", lambda: 1 / 0)
    page.selectbox(key="train:data").set_value(form.OWN).run()
    assert page.exception
    page.selectbox(key="train:data").set_value("digits").run()
    assert not page.exception
    shown = {each.key: each for each in (*page.number_input, *page.text_input)}
    assert shown["train:latent_dim"].value == 7
    for name, each in shown.items():
        told = each.proto.default if each.proto.HasField("default") else None
        assert told == each.value, name


def test_settings_that_contradict_are_one_sentence_and_nothing_is_lost(page):
    page.run()
    page.number_input(key="train:warmup_epochs").set_value(3)
    page.number_input(key="train:cycles").set_value(2).run()
    assert "warmup_epochs is 3 and cycles is 2" in page.error[0].value
    assert button(page, "Train").disabled
    assert page.number_input(key="train:warmup_epochs").value == 3
    page.number_input(key="train:cycles").set_value(0).run()
    assert not page.error
    assert "--warmup-epochs 3" in page.code[0].value


def test_a_bad_width_is_named(page):
    page.run()
    page.text_input(key="train:hidden").set_value("64, many").run()
    assert "hidden" in page.error[0].value
    assert page.text_input(key="train:hidden").value == "64, many"


def test_the_network_follows_the_data_until_people_choose_one(page, tmp_path):
    series = tmp_path / "two *stars*.csv"
    series.write_text("a,b\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(400)))
    page.run()
    page.selectbox(key="train:data").set_value(form.OWN).run()
    page.text_input(key="train:path").set_value(str(series)).run()
    page.number_input(key="train:window").set_value(32).run()
    assert not page.exception
    assert page.selectbox(key="train:architecture").value == "conv"
    suggested = page.text_input(key="train:hidden").value
    assert f"--hidden {suggested.replace(' ', '')}" in page.code[0].value
    page.selectbox(key="train:architecture").set_value("mlp").run()
    assert page.text_input(key="train:hidden").value != suggested
    page.text_input(key="train:hidden").set_value("16").run()
    assert "--hidden 16 " in page.code[0].value
    page.text_input(key="train:hidden").set_value("").run()
    assert page.text_input(key="train:hidden").value == "400, 256, 128"
    page.selectbox(key="train:data").set_value("digits").run()
    assert page.selectbox(key="train:architecture").value == "mlp"
    assert "--hidden 256,128" in page.code[0].value


def test_words_from_a_file_keep_no_meaning_in_markdown():
    assert own_data.escape("a*b* [x](y) <b>") == r"a\*b\* \[x\](y) \<b\>"


def test_only_what_matters_is_shown(page):
    page.run()
    page.selectbox(key="train:kind").set_value("pca").run()
    keys = {each.key for each in page.number_input}
    assert "train:latent_dim" in keys
    assert not keys & {"train:beta", "train:epochs"}
    assert "--kind pca" in page.code[0].value
    page.selectbox(key="train:kind").set_value("autoencoder").run()
    assert "train:beta" not in {each.key for each in page.number_input}


def test_a_run_in_the_address_is_shown_with_the_buttons_of_its_state(page, root):
    run = making.make(root, "Stopped one")
    run.say(Status(state="stopped", epoch=2, epochs=6))
    making.make(root, "Another")
    page.query_params["run"] = run.id
    page.run()
    assert not page.exception
    labels = [each.label for each in page.button]
    assert "Resume" in labels
    assert "Stop" not in labels
    button(page, "Resume").click().run()
    assert not page.exception


def test_an_unknown_run_in_the_address_is_said_and_the_form_shown(page, root):
    page.query_params["run"] = "no-such-run"
    page.run()
    assert "no-such-run" in page.warning[0].value
    assert not page.exception


def address(page):
    """What the address names, and whether the form is what is seen."""
    said = {name: "".join(value) for name, value in page.query_params.items()}
    return said, any(each.label == "Train" for each in page.button)


def test_train_alone_opens_what_is_at_work_or_else_the_form(page, root):
    making.make(root, "Not started").say(Status(state="finished"))
    page.run()
    assert address(page) == ({}, True)

    busy = making.make(root, "At work")
    making.make(root, "A newer one, not started")
    busy.say(Status(state="training"))
    with busy.hold():
        visitor = AppTest.from_file(PAGE, default_timeout=PATIENCE_S).run()
        assert address(visitor) == ({"run": busy.id}, False)
        visitor = AppTest.from_file(PAGE, default_timeout=PATIENCE_S)
        visitor.query_params["show"] = "form"
        assert address(visitor.run()) == ({"show": "form"}, True)


def test_the_address_names_what_is_seen_and_brings_it_back(page, root):
    first, second = (making.make(root, title) for title in ("First", "Second"))
    page.query_params["run"] = first.id
    page.run()
    assert address(page) == ({"run": first.id}, False)
    page.selectbox(key="train_select").set_value(second.id).run()
    assert address(page) == ({"run": second.id}, False)
    button(page, "New run").click().run()
    assert address(page) == ({"show": "form"}, True)

    page.query_params.clear()  # a link to Train on another page
    page.run()
    assert address(page) == ({}, True)
    page.query_params.clear()
    page.query_params["run"] = second.id  # the browser's history
    page.run()
    assert address(page) == ({"run": second.id}, False)
    page.query_params.clear()
    page.run()
    assert address(page) == ({"run": second.id}, False)
    page.query_params.clear()
    page.query_params["run"] = "gone"
    page.run()
    assert address(page) == ({"show": "form"}, True)


def test_after_a_delete_the_form_is_seen(page, root):
    run, _ = making.make(root), making.make(root, "Another")
    page.query_params["run"] = run.id
    page.run()
    page.checkbox(key=f"sure:{run.id}").check().run()
    button(page, "Delete").click().run()
    assert address(page) == ({"show": "form"}, True)


def test_a_busy_run_can_be_asked_to_stop(page, root):
    run = making.make(root)
    run.say(Status(state="training"))
    with run.hold():
        page.run()
        button(page, "Stop").click().run()
        assert button(page, "Stopping…").disabled
        assert "Stop" not in [each.label for each in page.button]
        assert not page.exception
        assert run.stop_requested()


def test_keeping_renaming_and_deleting(page, root):
    run = making.make(root, "A good one")
    run.say(Status(state="finished"))
    for epoch in (1, 2):
        run.checkpoint(epoch).write_bytes(f"epoch {epoch}".encode())
    figures = [Metrics(e, 1.0, 1.0, 0.1, 1.0, 1.0, -1.0, 0.0, float(-e), 0.0, 0.1, ()) for e in (1, 2)]
    run.write_metrics(figures)
    page.query_params["run"] = run.id
    page.run()
    button(page, "Keep it").click().run()
    assert (library.FOLDER / "a-good-one.safetensors").read_bytes() == b"epoch 1"
    page.text_input(key=f"title:{run.id}").set_value("Renamed").run()
    button(page, "Rename").click().run()
    assert run.title() == "Renamed"
    page.checkbox(key=f"sure:{run.id}").check().run()
    button(page, "Delete").click().run()
    assert not page.exception
    assert runs.find(root) == []


def test_thirty_runs_are_listed(page, root):
    for number in range(30):
        making.make(root, f"Run {number} with a rather long title that goes on and on")
    page.run()
    assert not page.exception
    assert len(page.dataframe[0].value) == 30


def test_own_data_are_previewed_before_use(page, tmp_path):
    import numpy as np

    path = tmp_path / "mine.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (40, 16, 16), np.uint8))
    page.run()
    page.selectbox(key="train:data").set_value("Your own…").run()
    assert button(page, "Train").disabled
    page.text_input(key="train:path").set_value(str(path)).run()
    assert not page.exception
    assert any("40 examples" in each.value for each in page.markdown)
    assert f"--path {path}" in page.code[0].value
    page.text_input(key="train:path").set_value(str(tmp_path / "gone.npy")).run()
    assert "gone.npy" in page.error[0].value
    assert button(page, "Train").disabled
