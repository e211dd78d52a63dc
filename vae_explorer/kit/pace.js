// Words and figures beside a moving picture: ten times a second is as fast as anybody reads. Each change of words costs the
// page a layout, so everybody's wait for one another, and a frame without them is painted without one.

const PERIOD_MS = 100;

const waiting = new Map(); // whoever wrote -> write(), the newest only
let timer = null,
  last = -Infinity;

// Call write() at once after a rest, else when the period is over. It must write what is true when it is called.
export function soon(who, write) {
  waiting.set(who, write);
  if (timer === null) timer = setTimeout(flush, Math.max(last + PERIOD_MS - performance.now(), 0));
}

function flush() {
  timer = null;
  last = performance.now();
  const writes = [...waiting.values()];
  waiting.clear();
  for (const write of writes) write();
}

// Change what stands there only if it differs: an equal text, too, would cost a layout. One text node stays, as style and
// boxes are made anew for another.
export function tell(element, words) {
  if (element.textContent === words) return;
  if (element.childNodes.length === 1 && element.firstChild.nodeType === Node.TEXT_NODE)
    element.firstChild.data = words;
  else element.textContent = words;
}
