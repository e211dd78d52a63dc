"""Opened files are kept for the browser that sent them, within bounds, and for nobody else."""

import pytest

from tests.vae_explorer import making
from vae_explorer import library, uploads
from vae_explorer.live.browser import new_token
from vae_explorer.uploads import Uploads

ME, YOU = new_token(), new_token()
MADE = making.make()


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, which a test may move on."""
    now = [1000.0]
    monkeypatch.setattr(uploads.time, "monotonic", lambda: now[0])
    return now


def keep(shelf, token, name, size=1):
    shelf.keep(token, library.opened(name, MADE), size)


def test_a_file_is_there_for_its_browser_alone(clock):
    shelf = Uploads()
    keep(shelf, ME, "mine")
    assert list(shelf.of(ME)) == ["mine"]
    assert shelf.of(YOU) == {}
    assert shelf.of("") == {}


def test_a_name_stands_for_the_file_opened_last(clock):
    shelf = Uploads()
    keep(shelf, ME, "mine")
    last = library.opened("mine", MADE)
    shelf.keep(ME, last, 1)
    assert shelf.of(ME) == {"mine": last}


def test_one_browser_keeps_so_many_files_and_takes_no_room_from_others(clock):
    shelf = Uploads()
    keep(shelf, YOU, "yours")
    for number in range(uploads.MOST_FILES + 3):
        keep(shelf, ME, str(number))
    assert list(shelf.of(ME)) == [str(number) for number in range(3, uploads.MOST_FILES + 3)]
    assert list(shelf.of(YOU)) == ["yours"]


def test_all_files_together_take_so_many_bytes_the_one_used_longest_ago_goes_first(clock):
    shelf, half = Uploads(), uploads.MOST_BYTES // 2
    keep(shelf, ME, "mine", half)
    keep(shelf, YOU, "yours", half)
    shelf.of(ME)
    keep(shelf, ME, "more", 1)
    assert shelf.of(YOU) == {}
    assert list(shelf.of(ME)) == ["mine", "more"]


def test_what_nobody_uses_is_forgotten(clock):
    shelf = Uploads()
    keep(shelf, ME, "mine")
    keep(shelf, YOU, "yours")
    clock[0] += 0.9 * uploads.FORGET_S
    assert list(shelf.of(ME)) == ["mine"]
    clock[0] += 0.2 * uploads.FORGET_S
    assert list(shelf.of(ME)) == ["mine"]
    assert shelf.of(YOU) == {}
