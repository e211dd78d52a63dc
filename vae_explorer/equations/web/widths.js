// Step 7: what the model in view loses beside PCA, at every width of the code. The Compare page draws the same figure.

import { REDUCTION, Reduction } from "../../compare/web/reduction.js";
import { mounting } from "./step.js";

class Widths {
  constructor(root, facts) {
    root.innerHTML = `<div class="eq compare"><p class="message" role="status"></p>${REDUCTION}</div>`;
    Object.assign(this, {
      root,
      facts,
      say: (sentence) => (root.querySelector(".message").textContent = sentence),
    });
    this.figure = new Reduction(root, this);
  }

  begin() {
    this.begun = true;
    this.figure.close();
    this.figure.begin();
    this.figure.look();
  }

  update(facts) {
    const another = facts.models[0].model.id !== this.facts.models[0].model.id;
    this.facts = facts;
    if (!this.begun) return;
    if (another) this.begin();
    else this.figure.look();
  }

  close() {
    this.figure.close();
  }
}

export default mounting(Widths);
