// The headline figures above the tabs: continuity and completeness, what they mean, and how other models of the same data do.
//
// They come out of the checkpoint when they are stored in it; else they are measured here when somebody asks for it, and
// kept by the server for as long as it runs.

import { fetchTold, post } from "../../kit/told.js";

const NONE = "Not measured yet.";
const MOST_PEERS = 3; // named in a line; all of them are marked on the scale

const WORDS = {
  continuity: {
    title: "Continuity",
    says: "close codes decode to close images",
    meaning: ({ continuity }) =>
      `Along a straight line the image changes over ${percent(continuity)} of the way.`,
    best: "A linear decoder has 1: its images change at one rate everywhere. All change within a tenth of each line makes 0.1.",
    definition: `<p>Draw random pairs of encoded codes, disjoint ones, and decode the straight line between each pair: images f(t), t from 0 to 1, in 256 steps.
      With its length L = ∫ |f′(t)| dt and its energy E = ∫ |f′(t)|² dt</p>
      <p class="formula">continuity = mean over lines of L² / E</p>
      <p>By Cauchy and Schwarz L² ≤ E, with equality where the image changes at a constant rate. A line on which all change happens within a share w of it has about w.
      The interval is that of the mean over lines (95 %).</p>`,
  },
  completeness: {
    title: "Completeness",
    says: "a code drawn from the prior decodes to something meaningful",
    meaning: ({ hole_mass: mass, hole_mass_error: error, completeness }, hasPrior) => {
      const doubt = Number.isFinite(error)
        ? ` (± ${(100 * error).toFixed(error < 0.001 ? 2 : 1)} % Monte Carlo error)`
        : "";
      const of = hasPrior ? "the prior’s mass" : "the Gaussian fitted to its codes";
      return `${percent(Number.isFinite(mass) ? mass : 1 - completeness)} of ${of} has no data near it${doubt}.`;
    },
    best: "A model whose encoded data fill the prior exactly, q(z) = p(z), has 1.",
    definition: `<p>One draw from each encoded posterior stands for the aggregate posterior q(z). Around a place z take the ball that reaches to the 16th nearest of the N draws; the prior’s mass in it is P.</p>
      <p class="formula">data ratio ρ(z) = 15 / (N P)</p>
      <p>says how many data lie around z for each that the prior promises: 1 on average where q(z) = p(z), in any number of dimensions. Where ρ &lt; ½ there is a hole, <em>no data near</em>;</p>
      <p class="formula">completeness = 1 − the prior’s mass of holes</p>
      <p>by draws from the prior. The interval (95 %) includes the error of those draws and the sampling of the data (jackknife).</p>
      <p>With more than a few dimensions that ball is wide and narrow holes are averaged away: the figure is then rather too high, and to be compared between models of the same latent dimension.</p>
      <p class="without-prior" hidden>This model has no prior. It is given the Gaussian with its encoded codes’ own mean and covariance, the most favourable one.</p>`,
  },
};
const SUPPORT = {
  precision: [
    "Precision",
    "the share of decoded draws from the prior that lie within the manifold of encoded images (Kynkäänniemi et al. 2019)",
  ],
  recall: [
    "Recall",
    "the share of encoded images that lie within the manifold of decoded draws (Kynkäänniemi et al. 2019)",
  ],
  density: [
    "Density",
    "how densely encoded images lie around decoded draws; 1 where both are alike, and it may exceed 1 (Naeem et al. 2020)",
  ],
  coverage: [
    "Coverage",
    "the share of encoded images that have a decoded draw in their neighbourhood (Naeem et al. 2020)",
  ],
};
const AGAINST = {
  images: ["encoded images", "the encoded examples’ own images"],
  reconstructions: [
    "reconstructions",
    "the encoded examples’ reconstructions, as their images are not at hand",
  ],
};
const UNNAMED = ["images that the file does not name", "images that the file does not name"];

const card = (name, { title, says, definition, best }) => `
  <article class="headline" data-figure="${name}">
    <header><strong class="value">–</strong><h3>${title}</h3>
      <details class="explained"><summary>Definition</summary><div>${definition}<p>${best}</p></div></details>
      <p class="tagline">${says}</p></header>
    <div class="scale" role="img"><i class="filled"></i><i class="range"></i><span class="others"></span></div>
    <p class="meaning"></p>
    <p class="beside"></p>
  </article>`;

export const HEADLINES = `
  <section class="headline-figures" aria-label="Headline figures" data-state="empty">
    ${Object.entries(WORDS)
      .map(([name, words]) => card(name, words))
      .join("")}
    <article class="support">
      <div class="ask"><p class="why"></p><button type="button" class="start">Measure now</button>
        <span class="work" hidden><progress max="1"></progress><span class="doing" role="status"></span><button type="button" class="cancel">Cancel</button></span></div>
      <dl class="figures" hidden>${Object.entries(SUPPORT)
        .map(
          ([name, [title, meaning]]) =>
            `<div data-figure="${name}" title="${title}: ${meaning}"><dt>${title}</dt><dd></dd></div>`,
        )
        .join("")}</dl>
      <p class="source"></p>
      <details class="explained about" hidden><summary>What these are</summary><div>
        ${Object.values(SUPPORT)
          .map(([title, meaning]) => `<p><strong>${title}</strong>: ${meaning}.</p>`)
          .join("")}
        <p>Between decoded draws from the prior and <span class="against"></span>; 5 nearest neighbours, Euclidean distance of pixels (no feature network).
          Decoded means are smooth, and smooth images are close to many others: precision and density come out high and recall low. Compare models by them, do not read them as grades.</p>
        <p class="store">This command measures all of them and stores them in the file:<code></code></p></div></details>
    </article>
  </section>`;

export class Headlines {
  // page: { facts: { model: { id, file }, hasPrior, evaluation, peers: [{ name, continuity, completeness }] }, say(sentence) }
  constructor(root, page) {
    this.page = page;
    root.querySelector(".headline-figures").outerHTML = HEADLINES; // a panel that was here before leaves no listeners
    this.root = root.querySelector(".headline-figures");
    this.find = (selector) => this.root.querySelector(selector);
    this.find(".start").addEventListener("click", () => this.measure());
    this.find(".cancel").addEventListener("click", () => this.stop());
    this.leaving = new AbortController();
    // One definition at a time, and a press elsewhere or Escape closes it.
    const shut = (event) => {
      for (const open of this.root.querySelectorAll("details[open]"))
        if (!event.composedPath().includes(open)) open.open = false;
    };
    window.addEventListener("pointerdown", shut, { capture: true, signal: this.leaving.signal });
    this.root.addEventListener("keydown", (event) => {
      const open = event.key === "Escape" && event.target.closest("details[open]");
      if (!open) return;
      event.preventDefault(); // it has done its work
      open.open = false;
      open.querySelector("summary").focus();
    });
  }

  // The facts are here, or others than before.
  begin() {
    const { facts } = this.page;
    if (this.model !== facts.model.id) {
      this.stop();
      Object.assign(this, { model: facts.model.id, figures: null, sentence: "" });
      this.find(".without-prior").hidden = facts.hasPrior;
      this.find(".store code").textContent =
        `python -m vae_core evaluate ${facts.model.file ?? "FILE"} --continuity --save`;
    }
    if (shares(facts.evaluation)) this.show(facts.evaluation, "stored in the file");
    else if (this.figures) this.show(this.figures, this.source);
    else {
      this.show(null);
      this.kept();
    }
  }

  // What the server has measured of this model since it started.
  async kept() {
    const { model } = this;
    try {
      const { headlines } = await (await post("/continuity/kept", { model })).json();
      if (headlines && model === this.model && !this.figures) this.show(headlines, "measured here");
    } catch {
      // Then there is nothing yet; whoever measures hears what is wrong.
    }
  }

  async measure() {
    this.making?.abort();
    const making = new AbortController();
    this.making = making;
    this.working(true);
    try {
      const found = await fetchTold(
        "/continuity/headlines",
        { model: this.model },
        { signal: making.signal, progress: (said) => this.making === making && this.progress(said) },
      );
      if (this.making === making)
        this.show(found, `measured here in ${found.seconds.toFixed(found.seconds < 10 ? 1 : 0)} s`);
    } catch (error) {
      if (this.making === making && !making.signal.aborted) this.sentence = error.message;
    }
    if (this.making === making) this.working(false);
  }

  stop() {
    this.making?.abort();
    this.making = null;
    this.working(false);
  }

  working(on) {
    this.find(".work").hidden = !on;
    this.find(".start").hidden = on;
    this.find(".why").textContent = on
      ? ""
      : this.sentence || "Continuity and completeness are not stored in this model’s file.";
    this.find(".why").classList.toggle("wrong", !on && Boolean(this.sentence));
    if (on) this.sentence = "";
    this.progress({ done: null, says: on ? "Measuring…" : "" });
  }

  progress({ done, says }) {
    const bar = this.find("progress");
    if (Number.isFinite(done)) bar.value = done;
    else bar.removeAttribute("value");
    if (says !== undefined) this.find(".doing").textContent = says;
  }

  // --- what there is to see --------------------------------------------------------------------------------------

  show(figures, source = "") {
    Object.assign(this, { figures, source });
    this.root.dataset.state = figures ? "known" : "empty";
    this.find(".ask").hidden = Boolean(figures);
    for (const name of Object.keys(WORDS)) this.card(name, figures);
    const known = figures ? Object.keys(SUPPORT).filter((name) => Number.isFinite(figures[name])) : [];
    for (const name of Object.keys(SUPPORT)) {
      this.find(`.figures [data-figure="${name}"]`).hidden = !known.includes(name);
      this.find(`.figures [data-figure="${name}"] dd`).textContent = known.includes(name)
        ? figures[name].toFixed(2)
        : "";
    }
    this.find(".figures").hidden = !known.length;
    this.find(".about").hidden = !figures;
    const [against, whole] = AGAINST[figures?.realism_against] ?? UNNAMED;
    this.find(".against").textContent = whole;
    const missing = figures && !known.length ? (sentences(figures).precision ?? "") : "";
    this.find(".source").textContent = figures
      ? [missing || (known.length ? `Against ${against};` : ""), `${source}.`].filter(Boolean).join(" ")
      : "";
  }

  card(name, figures) {
    const card = this.find(`.headline[data-figure="${name}"]`),
      set = (selector, text) => (card.querySelector(selector).textContent = text);
    const value = figures?.[name],
      known = isShare(value);
    const low = figures?.[`${name}_low`],
      high = figures?.[`${name}_high`],
      certain = known && isShare(low) && isShare(high);
    card.classList.toggle("unknown", !known);
    set(".value", known ? value.toFixed(2) : "–");
    set(
      ".meaning",
      known
        ? WORDS[name].meaning(figures, this.page.facts.hasPrior)
        : figures
          ? (sentences(figures)[name] ?? "It is not defined for this model.")
          : NONE,
    );
    const peers = (this.page.facts.peers ?? []).filter((peer) => isShare(peer[name]));
    const scale = card.querySelector(".scale"),
      at = (share) => `${(100 * share).toFixed(2)}%`;
    scale.style.setProperty("--value", at(known ? value : 0));
    scale.querySelector(".range").hidden = !certain;
    if (certain) {
      scale.style.setProperty("--low", at(low));
      scale.style.setProperty("--high", at(high));
    }
    scale.querySelector(".others").replaceChildren(
      ...peers.map((peer) => {
        const mark = document.createElement("b");
        mark.style.left = at(peer[name]);
        mark.title = `${peer.name}: ${peer[name].toFixed(2)}`;
        return mark;
      }),
    );
    scale.setAttribute(
      "aria-label",
      `From 0 to 1: ${known ? value.toFixed(2) : "unknown"}${certain ? `, between ${low.toFixed(2)} and ${high.toFixed(2)} with 95 % confidence` : ""}`,
    );
    const others = peers
      .slice(0, MOST_PEERS)
      .map((peer) => `${peer.name} ${peer[name].toFixed(2)}`)
      .join(", ");
    set(
      ".beside",
      [certain && `95 % interval ${low.toFixed(2)} to ${high.toFixed(2)}`, others && `same data: ${others}`]
        .filter(Boolean)
        .join(" · "),
    );
  }

  close() {
    this.making?.abort();
    this.making = null;
    this.leaving.abort();
  }
}

const isShare = (value) => Number.isFinite(value) && value >= 0 && value <= 1;
// A file may hold anything under these names.
const shares = (evaluation) => Object.keys(WORDS).some((name) => isShare(evaluation?.[name]));
const sentences = ({ missing }) => (missing && typeof missing === "object" ? missing : {});

function percent(share) {
  const value = 100 * share;
  return `${value > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}
