"""The cloud of codes of a run's view, alone: what it does before the browser has laid it out."""

import pytest
from playwright.sync_api import Browser, Route

from vae_explorer.live.assets import FOLDER

pytestmark = pytest.mark.browser

ORIGIN = "http://scatter.test"
SHOW = """async () => {
  const { Scatter } = await import("/train/web/scatter.js");
  document.body.innerHTML = '<div class="codes"><div class="stage" style="width: 200px; height: 100px"><canvas></canvas><div class="axes"></div></div></div>';
  const scatter = new Scatter(document.body), canvas = document.querySelector("canvas");
  scatter.begin({ kind: "autoencoder", latentDim: 2 });
  scatter.show(1, { points: { shape: [2, 2], values: new Float32Array([-1, -1, 1, 1]) } }, [-1, -1, 1, 1]);
  const painted = () => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value);
  const before = painted();
  while (canvas.width === 300) await new Promise(requestAnimationFrame);
  return [before, painted()];
}"""


def answer(route: Route) -> None:
    name = route.request.url.removeprefix(f"{ORIGIN}/")
    if name.endswith(".js"):
        route.fulfill(path=FOLDER / name, content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html>", content_type="text/html; charset=utf-8")


def test_codes_that_come_before_the_canvas_is_measured_are_drawn_when_it_is(browser: Browser):
    page = browser.new_page()
    page.route(f"{ORIGIN}/**", answer)
    page.goto(f"{ORIGIN}/")
    assert page.evaluate(SHOW) == [False, True]
    page.close()
