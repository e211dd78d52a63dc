"""The model and the code in view: from the address, and kept per model. (The component writes the address.)"""

import json
import math

import pytest
from streamlit.testing.v1 import AppTest

from tests.patience import PATIENCE_S
from tests.vae_explorer import making
from vae_core.errors import CheckpointError
from vae_explorer import library, session
from vae_explorer.live.browser import new_token


def page():
    """A page script that does what every page does first and last; the code to keep comes from a key."""
    import streamlit as st

    from vae_explorer import session

    if chosen := st.session_state.pop("to_choose", None):
        session.choose(chosen)
    opened = session.current()
    if opened is None:
        st.info("none")
        st.stop()
    if moved := st.session_state.pop("to_keep", None):
        session.keep(opened.name, moved)
    st.text(opened.name)
    st.json(session.code(opened))


@pytest.fixture
def visit(folder):
    def start(**query):
        app = AppTest.from_function(page, default_timeout=PATIENCE_S)
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return start


def seen(app):
    """(model, code) on the page, after a look that no exception is."""
    assert not app.exception
    return app.text[0].value, [float(value) for value in json.loads(app.json[0].value)]


def test_first_visit_shows_the_first_model_at_the_origin(visit):
    app = visit()
    assert seen(app) == ("digits", [0, 0])
    assert not app.error


def test_address_names_model_and_code(visit):
    app = visit(model="wide", z="1,2,3,4,-5.5")
    assert seen(app) == ("wide", [1, 2, 3, 4, -5.5])
    assert not app.error


def test_address_may_name_a_model_alone(visit):
    assert seen(visit(model="wide")) == ("wide", [0] * 5)


@pytest.mark.parametrize("z", ["1", "1,2,3", "1,abc", "nan,0", "inf,0", "0,-inf", ",", "1e39,0"])
def test_a_bad_code_in_the_address_is_explained_and_the_origin_shown(visit, z):
    app = visit(model="digits", z=z)
    assert seen(app) == ("digits", [0, 0])
    assert len(app.error) == 1
    assert z in app.error[0].value


@pytest.mark.parametrize("query", [{"model": "nobody"}, {"model": "nobody", "z": "0,0"}, {"model": ""}])
def test_an_unknown_model_in_the_address_is_explained_once(visit, query):
    app = visit(**query)
    assert seen(app) == ("digits", [0, 0])
    assert len(app.error) == 1
    assert not app.run().error


def test_a_long_wrong_name_makes_no_long_sentence(visit):
    app = visit(model="x" * 5000, z="y" * 5000)
    assert all(len(error.value) < 300 for error in app.error)


def test_a_kept_code_stays(visit):
    app = visit()
    app.session_state["to_keep"] = [0.123456789, -2.0]
    app.run()
    assert seen(app.run()) == ("digits", [0.123456789, -2])


def test_each_model_keeps_a_code_of_its_own(visit):
    app = visit()
    app.session_state["to_keep"] = [1.0, -1.0]
    app.run()
    app.session_state["to_choose"] = "wide"
    assert seen(app.run()) == ("wide", [0] * 5)
    app.session_state["to_choose"] = "digits"
    assert seen(app.run()) == ("digits", [1, -1])


def test_a_code_of_the_wrong_width_is_not_shown(visit, folder):
    app = visit(model="digits", z="1,2")
    (folder / "digits.safetensors").write_bytes(making.content(latent_dim=3))
    assert seen(app.run()) == ("digits", [0] * 3)


def test_a_broken_file_is_explained_and_the_next_model_shown(visit, folder):
    (folder / "digits.safetensors").write_bytes(b"broken")
    app = visit()
    assert seen(app) == ("wide", [0] * 5)
    assert len(app.error) == 1
    assert "digits" in app.error[0].value


def test_without_any_model_there_is_none_in_view(visit, monkeypatch, tmp_path):
    monkeypatch.setattr(library, "FOLDER", tmp_path / "nowhere")
    app = visit()
    assert [info.value for info in app.info] == ["none"]


# --- whatever comes first -----------------------------------------------------------------------------------


def first_act():
    """A page script whose very first act in a session is the one that a key names."""
    import streamlit as st

    from tests.vae_explorer import making
    from vae_explorer import session

    acts = {
        "choose": lambda: session.choose("wide"),
        "keep": lambda: session.keep("wide", [1.0, 2.0, 3.0, 4.0, 5.0]),
        "code": lambda: session.code(session.open_named("wide")),
        "names": session.names,
        "current": session.current,
        "arrived_with": session.arrived_with,
        "take_upload": lambda: session.take_upload("mine.safetensors", making.content(latent_dim=3)),
        "arrive": lambda: session.arrive("map"),
    }
    acts[st.session_state["first"]]()
    opened = session.current()
    st.text(opened.name)
    st.json(session.code(opened))


@pytest.mark.parametrize(
    ("act", "shown"),
    [
        ("choose", "wide"),
        ("keep", "digits"),
        ("code", "digits"),
        ("names", "digits"),
        ("current", "digits"),
        ("arrived_with", "digits"),
        ("take_upload", "mine"),
        ("arrive", "digits"),
    ],
)
def test_no_act_needs_another_before_it(folder, act, shown):
    app = AppTest.from_function(first_act, default_timeout=PATIENCE_S)
    app.session_state["first"] = act
    assert seen(app.run())[0] == shown
    assert not app.error


def test_a_model_chosen_at_once_opens_at_the_code_of_the_link(folder):
    app = AppTest.from_function(first_act, default_timeout=PATIENCE_S)
    app.session_state["first"] = "choose"
    app.query_params["model"], app.query_params["z"] = "wide", "1,2,3,4,5"
    assert seen(app.run()) == ("wide", [1, 2, 3, 4, 5])


def pages():
    """What app.py does around a page: says which one it is, then runs it."""
    import streamlit as st

    from vae_explorer import session

    session.arrive(st.session_state["page"])
    opened = session.current()
    st.text(opened.name)
    st.json(session.code(opened))


@pytest.fixture
def tour(folder):
    """Go from page to page: `tour(page, **address)`, of one session."""
    app = AppTest.from_function(pages, default_timeout=PATIENCE_S)

    def go(page, **query):
        app.session_state["page"] = page
        app.query_params.clear()
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return seen(app)

    return go


def test_back_shows_what_its_address_says(tour):
    assert tour("", model="digits", z="1,2") == ("digits", [1, 2])
    assert tour("map") == ("digits", [1, 2])
    assert tour("map", model="wide") == ("digits", [1, 2])  # the page wrote that itself
    assert tour("", model="wide", z="1,2,3,4,5") == ("wide", [1, 2, 3, 4, 5])
    assert tour("map") == ("wide", [1, 2, 3, 4, 5])
    assert tour("", z="5,5") == ("wide", [1, 2, 3, 4, 5])  # a code of no model


# --- opened files -------------------------------------------------------------------------------------------


@pytest.fixture
def state(folder, monkeypatch):
    """The session's state as a plain dictionary, outside any page."""
    state = {session.ADDRESS: {}, session.MODEL: "digits", session.CODES: {}}
    monkeypatch.setattr(session.st, "session_state", state)
    return state


def test_an_opened_file_is_in_view_and_listed_last(state):
    session.take_upload("mine.safetensors", making.content(latent_dim=3))
    assert session.current().name == "mine"
    assert session.current().checkpoint.model.latent_dim == 3
    assert session.names() == ["digits", "wide", "mine"]


def test_a_file_that_cannot_be_opened_leaves_the_model_in_view(state):
    with pytest.raises(CheckpointError, match="mine"):
        session.take_upload("mine.safetensors", b"nothing")
    assert session.current().name == "digits"
    assert session.names() == ["digits", "wide"]


def test_no_name_stands_for_two_models(state):
    session.take_upload("wide.safetensors", making.content(latent_dim=3))
    session.take_upload("wide.safetensors", making.content(latent_dim=4))
    assert session.current().checkpoint.model.latent_dim == 4
    assert len(session.names()) == len(set(session.names()))
    session.choose("wide")
    assert session.current().checkpoint.model.latent_dim == 5


def test_a_new_session_of_the_same_browser_has_its_opened_files(state, monkeypatch):
    token = new_token()
    monkeypatch.setattr(session, "_browser", lambda: token)
    session.take_upload("mine.safetensors", making.content(latent_dim=3))
    again = {session.ADDRESS: {}, session.MODEL: "mine", session.CODES: {}}
    monkeypatch.setattr(session.st, "session_state", again)
    assert session.current().name == "mine"
    monkeypatch.setattr(session, "_browser", new_token)
    with pytest.raises(CheckpointError, match=r"mine here: if it was opened from a file.*another browser"):
        session.open_named("mine")


def test_a_copy_of_a_model_that_is_here_is_that_model(state, folder):
    session.take_upload("mine.safetensors", (folder / "wide.safetensors").read_bytes())
    assert session.current().name == "wide"
    assert session.names() == ["digits", "wide"]


def test_a_name_is_whole_in_its_sentence(state):
    name = "a-name-of-some-length-" * 5
    with pytest.raises(CheckpointError, match=name):
        session.open_named(name)


def test_codes_are_kept_as_plain_finite_floats(state):
    session.keep("digits", [1, 2])
    assert session.code(session.current()) == [1.0, 2.0]
    session.keep("digits", [math.inf, None])  # what JSON makes of an infinite number in the browser is null
    assert all(math.isfinite(value) for value in session.code(session.current()))
