// How a step of the Equations page is mounted: it is built at once, and asks for nothing before somebody sees it.

import { Remote } from "../../kit/remote.js";

const NEAR = "300px"; // below the screen is near enough to begin

// The default export of a step's module. Step: constructor(root, facts, tell); begin() once, when it is first near the
// screen; update(facts) when the page has run again; close(). tell(name, value) triggers on_NAME_change in Python.
export function mounting(Step) {
  const steps = new WeakMap();
  return function mount({ parentElement, data, setTriggerValue }) {
    let step = steps.get(parentElement);
    const tell = (name, value) => setTriggerValue(name, value);
    if (!step) {
      const root = document.createElement("div");
      root.className = "root";
      parentElement.append(root);
      step = new Step(root, data, tell);
      step.seen = whenNear(root, () => step.begin());
      step.remote = new Remote(window, {}); // the page's own buttons take PageUp and PageDown
      steps.set(parentElement, step);
    } else {
      step.tell = tell;
      step.update(data);
    }
    return () => {
      step.seen.disconnect();
      step.remote.close();
      step.close();
      steps.delete(parentElement);
    };
  };
}

function whenNear(element, act) {
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      act();
    },
    { rootMargin: NEAR, scrollMargin: NEAR },
  ); // the page scrolls within an element of its own
  observer.observe(element);
  return observer;
}
