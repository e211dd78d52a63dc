"""The server goes away and comes back; the page waits, and goes on without a reload."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_dragging_goes_on_after_the_server_started_again(server, visitor):
    visitor.drag(0, 0.4, 0.8)
    moved = visitor.z
    visitor.find(".explorer").evaluate("element => { element.mine = true; }")
    server.stop()
    try:
        expect(visitor.find(".message")).to_contain_text("Waiting for the server")
    finally:
        server.start()
    expect(visitor.find(".message")).to_have_text("")
    before = visitor.pixels()
    visitor.press(1, 0.8)
    visitor.until_pixels_change(before)
    visitor.page.mouse.up()
    visitor.until_url_follows()
    assert visitor.z[0] == pytest.approx(moved[0], abs=1e-5)
    visitor.forgive_the_server_being_away()
