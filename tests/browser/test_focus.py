"""Where the keyboard is can be seen, at every stop of Tab on a page, in light and in dark."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MOST = 200  # stops of Tab on one page

# What has the focus: its name, whether something is drawn around it, and the contrast of that with what lies behind.
STOP = """() => {
  let focused = document.activeElement;
  while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
  if (!focused || focused === document.body) return null;
  const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const up = (element) => element.parentElement ?? element.getRootNode().host ?? null;
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((value, i) => a * value + (1 - a) * below[i]);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = up(e)) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const contrast = (colour, ground) => {
    const [dark, light] = [luminance(ground), luminance(over(colour, ground))].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  let ringed = focused;  // the field around an input, where that carries the ring
  for (let e = focused, far = 0; e && far < 4; e = up(e), far++) {
    if (getComputedStyle(e).outlineStyle !== "none") { ringed = e; break; }
  }
  const { outlineStyle, outlineWidth, outlineColor, outlineOffset } = getComputedStyle(ringed);
  const within = parseFloat(outlineOffset) < 0 || outlineOffset.startsWith("-");
  const ground = behind(within ? ringed : up(ringed));
  const tag = focused.tagName.toLowerCase();
  const label = focused.ariaLabel ?? focused.labels?.[0]?.innerText ?? (focused.id === "stMain" ? "" : focused.innerText);
  const drawn = outlineStyle === "auto" ? 21 : outlineStyle === "none" ? 0 : contrast(parse(outlineColor), ground);
  return { name: `${tag}: ${(label ?? "").trim().replace(/\\s+/g, " ").slice(0, 40)}`, width: parseFloat(outlineWidth), contrast: drawn };
}"""


def stops(visitor) -> list[dict]:
    """Every stop of Tab, from the first one on until the page is left or comes round."""
    found = []
    for _ in range(MOST):
        visitor.page.keyboard.press("Tab")
        stop = visitor.page.evaluate(STOP)
        if stop is None or (found and stop["name"] == found[0]["name"]):
            return found
        found.append(stop)
    raise AssertionError(f"Tab goes on for more than {MOST} stops")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["train?show=form", "map?model=digits-vae-2d"])
def test_the_focus_has_a_ring_that_can_be_seen_and_a_name(visit, page, scheme):
    visitor = visit(color_scheme=scheme)
    visitor.page.goto(visitor.home + page)
    done = (
        visitor.button("Train")
        if page.startswith("train")
        else visitor.page.get_by_role("button", name="Lasso")
    )
    expect(done).to_be_visible()
    expect(visitor.find('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
    found = stops(visitor)
    names = [stop["name"] for stop in found]
    assert {f"a: {name}" for name in ("Explore", "Map", "Train", "Equations")} <= set(names)
    assert "main: Page" in names
    assert len(found) > 20
    assert [stop for stop in found if stop["contrast"] < 3 or stop["name"].endswith(": ")] == []
