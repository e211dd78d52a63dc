"""Moves of a handle or a slider on the Equations page, and whether each is answered in the frame after it."""

from playwright.sync_api import Locator

_ANSWERED = """async ([element, moves]) => {
  const root = element.closest(".eq"), box = element.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
  const look = () => root.innerHTML + [...root.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()).join();
  const at = (dx, dy, type) => element.dispatchEvent(new PointerEvent(type, { pointerId: 1, bubbles: true, clientX: x + dx, clientY: y + dy, buttons: 1 }));
  const to = (share) => {
    element.value = Number(element.min) + share * (Number(element.max) - Number(element.min));
    element.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const isSlider = element.matches("input");
  let answered = 0;
  if (!isSlider) {
    element.setPointerCapture = () => {};
    at(0, 0, "pointerdown");
  }
  for (const move of moves) {
    const before = look();
    if (isSlider) to(move);
    else at(...move, "pointermove");
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    answered += look() !== before;
  }
  if (!isSlider) at(0, 0, "pointerup");
  return answered;
}"""


def answered(control: Locator, moves: list) -> int:
    """Count the moves after which the page looks otherwise by the end of the very next frame.

    Args:
        control: a handle on a stage, or a range input.
        moves: for a handle, pixels [right, down] from where it was taken; for an input, shares of its range.
    """
    return control.page.evaluate(_ANSWERED, [control.element_handle(), moves])
