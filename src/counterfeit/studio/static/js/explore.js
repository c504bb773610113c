// Exploring a model by what it can do.
import { t, post, el, complain, main, button, choice, field, latest, number, ofRun, runPage, runName, waiting } from "./core.js";
import { draw, grid, picture, plane } from "./show.js";

const ask = (what, body = {}) => post(ofRun(runName, `ask/${what}`), body);
const state = new URLSearchParams(location.search);
const remember = (changes) => {
  for (const [key, value] of Object.entries(changes)) value === "" || value === null ? state.delete(key) : state.set(key, value);
  history.replaceState(null, "", `?${state}`);
};
const wholeSeed = (value) => Math.max(0, Math.min(2 ** 31 - 1, Math.round(Number(value) || 0)));
const section = (title, about, ...children) => el("section", {}, el("h2", {}, t(title)), el("p.about", {}, t(about)), ...children);

main.append(el("div.title", {}, el("h1", {}, t("explore.of", { run: runName })), el("a.button", { href: runPage(runName) }, t("explore.back"))), waiting());

async function begin() {
  const can = await ask("able");
  main.querySelector(".waiting").remove();
  const parts = [];
  if (can.samples) parts.push(samples(can));
  if (can.codes) parts.push(sliders(can), between(can));
  if (can.steps) parts.push(inSteps(can));
  if (can.chain) parts.push(chains());
  if (can.pictures && (can.encodes || can.completes || can.domains.length || can.scores.length)) parts.push(given(can));
  if (can.judges && can.pictures) parts.push(judging());
  main.append(...(parts.length ? parts : [el("p.empty", {}, t("explore.nothing"))]));
}

function conditions(can) {
  const controls = {};
  const fields = [];
  if (can.labels.length) { controls.y = choice([["", t("explore.any")], ...can.labels.map((name, i) => [String(name), name])], state.get("y") || ""); fields.push(field(t("explore.class"), controls.y)); }
  if (can.captions) { controls.y = el("input", { value: state.get("y") || "", placeholder: t("explore.caption.help") }); fields.push(field(t("explore.caption"), controls.y)); }
  if (can.samplers.length) { controls.sampler = choice([["", t("explore.usual")], ...can.samplers.map((s) => [s, s])], ""); fields.push(field(t("explore.sampler"), controls.sampler)); }
  if (can.steps) { controls.sampling_steps = el("input", { type: "number", min: 1, max: 1000, placeholder: t("explore.usual") }); fields.push(field(t("explore.steps"), controls.sampling_steps)); }
  if (can.guided) { controls.guidance = el("input", { type: "number", min: 0, step: 0.5, placeholder: t("explore.usual") }); fields.push(field(t("explore.guidance"), controls.guidance)); }
  const read = () => ({ y: controls.y?.value || null, sampler: controls.sampler?.value || null,
    sampling_steps: controls.sampling_steps?.value ? Number(controls.sampling_steps.value) : null, guidance: controls.guidance?.value ? Number(controls.guidance.value) : null });
  return { fields, read, controls };
}

function samples(can) {
  const seed = el("input", { type: "number", min: 0, value: state.get("seed") || 0 });
  const { fields, read, controls } = conditions(can);
  const out = el("div.out", {}, waiting());
  const near = el("div.near");
  const n = can.steps ? 16 : 32;
  const update = latest(async () => {
    out.setAttribute("aria-busy", "true");
    const asked = { n, seed: wholeSeed(seed.value), ...read() };
    remember({ seed: asked.seed, y: asked.y ?? "" });
    try {
      const set = await ask("sample", asked);
      out.replaceChildren(grid(set, { onchoose: can.pictures ? (i) => neighbours({ ...asked, index: i }) : null }));
    } finally { out.removeAttribute("aria-busy"); }
  });
  const neighbours = async (asked) => {
    near.replaceChildren(waiting());
    try {
      const set = await ask("neighbours", asked);
      const captions = [t("explore.sample"), ...set.distances.map((d) => number(d, 3))];
      near.replaceChildren(el("p", {}, t("explore.nearest", { share: Math.round(100 * set.nearer), usual: number(set.usual, 3) })), grid(set, { captions }));
    } catch (error) { near.replaceChildren(); complain(error); }
  };
  for (const control of [seed, ...Object.values(controls)]) control.onchange = () => update();
  const next = button(t("explore.next"), () => { seed.value = wholeSeed(seed.value) + 1; update(); });
  update();
  return section("explore.samples", can.pictures ? "explore.samples.about" : "explore.samples.short", el("div.tools", {}, field(t("explore.seed"), seed), next, ...fields), out, near);
}

function sliders(can) {
  const seed = el("input", { type: "number", min: 0, value: state.get("code") || 0 });
  const kind = choice([["pca", t("explore.directions")], ["raw", t("explore.raw")]], "pca");
  const canvas = el("canvas.pixels.big", { role: "img", "aria-label": t("explore.decoded") });
  const holder = el("div.decoded", {}, canvas);
  const bank = el("div.sliders");
  const speed = el("small.speed");
  let z = [], directions = [], moved = [];
  const show = latest(async () => {
    const code = kind.value === "raw" ? z : z.map((value, i) => value + directions.reduce((sum, direction, k) => sum + (moved[k] || 0) * direction[i], 0));
    const start = performance.now();
    const set = await ask("decode", { z: [code] });
    if (set.kind === "pictures") { await draw(canvas, set, 0); canvas.style.height = "192px"; canvas.style.width = `${(192 * set.width) / set.height}px`; }
    else holder.replaceChildren(set.kind === "points" ? plane([{ points: set.points, color: "accent", radius: 4 }], 4.5) : grid(set));
    speed.textContent = t("explore.speed", { ms: Math.round(performance.now() - start) });
  });
  const paint = () => {
    const raw = kind.value === "raw";
    const count = raw ? Math.min(z.length, 64) : directions.length;
    bank.replaceChildren(...Array.from({ length: count }, (_, i) => {
      const name = t(raw ? "explore.value" : "explore.direction", { n: i + 1 });
      const input = el("input", { type: "range", min: -4, max: 4, step: 0.05, value: raw ? z[i] : moved[i] || 0, "aria-label": name });
      input.oninput = () => { if (raw) z[i] = Number(input.value); else moved[i] = Number(input.value); show(); };
      return el("label.slider", {}, el("span", {}, name), input);
    }));
  };
  const restart = latest(async () => {
    const found = await ask("start", { seed: wholeSeed(seed.value) });
    remember({ code: wholeSeed(seed.value) });
    ({ z, directions } = found);
    moved = directions.map(() => 0);
    paint();
    show();
  });
  seed.onchange = () => restart();
  kind.onchange = () => { paint(); show(); };
  restart();
  return section("explore.codes", "explore.codes.about", el("div.tools", {}, field(t("explore.seed"), seed), field(t("explore.sliders"), kind), button(t("explore.next"), () => { seed.value = wholeSeed(seed.value) + 1; restart(); })),
    el("div.side", {}, holder, bank), speed);
}

function between(can) {
  const from = el("input", { type: "number", min: 0, value: state.get("from") || 0 });
  const to = el("input", { type: "number", min: 0, value: state.get("to") || 1 });
  const path = choice([["spherical", t("explore.spherical")], ["linear", t("explore.linear")]], state.get("path") || "spherical");
  const out = el("div.out");
  const big = el("div.decoded");
  const slider = el("input", { type: "range", min: 0, max: 16, value: 0, "aria-label": t("explore.between") });
  let set = null;
  const spot = () => { if (set?.kind === "pictures") big.replaceChildren(picture(set, Number(slider.value), { size: 160 })); };
  const update = latest(async () => {
    remember({ from: wholeSeed(from.value), to: wholeSeed(to.value), path: path.value });
    set = await ask("interpolate", { n: 17, from: wholeSeed(from.value), to: wholeSeed(to.value), path: path.value });
    out.replaceChildren(grid(set, { size: 44 }));
    spot();
  });
  slider.oninput = spot;
  for (const control of [from, to, path]) control.onchange = () => update();
  update();
  return section("explore.between", "explore.between.about", el("div.tools", {}, field(t("explore.from"), from), field(t("explore.to"), to), field(t("explore.path"), path)), out, slider, big);
}

function player(frames, caption) {
  const out = el("div.out");
  const told = el("output");
  const slider = el("input", { type: "range", min: 0, max: frames.length - 1, value: frames.length - 1, "aria-label": t("explore.step") });
  const show = () => { out.replaceChildren(grid(frames[Number(slider.value)], { size: 72 })); told.textContent = caption(Number(slider.value)); };
  slider.oninput = show;
  let playing = null;
  const play = button(t("run.play"), () => {
    clearInterval(playing);
    slider.value = 0;
    playing = setInterval(() => {
      show();
      if (Number(slider.value) >= frames.length - 1) clearInterval(playing);
      else slider.value = Number(slider.value) + 1;
    }, 160);
  });
  show();
  return el("div", {}, el("div.scrub", {}, play, slider, told), out);
}

function inSteps(can) {
  const seed = el("input", { type: "number", min: 0, value: 0 });
  const { fields, read } = conditions(can);
  const out = el("div");
  const go = button(t("explore.draw"), latest(async () => {
    out.replaceChildren(waiting());
    try {
      const { frames, at, of } = await ask("steps", { n: 8, seed: wholeSeed(seed.value), ...read() });
      out.replaceChildren(player(frames, (i) => t("explore.stepof", { step: at[i], of })));
    } catch (error) { out.replaceChildren(); throw error; }
  }), "primary");
  return section("explore.denoise", "explore.denoise.about", el("div.tools", {}, field(t("explore.seed"), seed), ...fields, go), out);
}

function chains() {
  const out = el("div.out");
  const told = el("output");
  const per = el("input", { type: "number", min: 1, max: 1000, value: 1 });
  let ticket = null, taken = 0, playing = false;
  const move = latest(async (steps, anew = false) => {
    const set = await ask("chain", { n: 16, steps, state: anew ? null : ticket, seed: taken % 2 ** 31 });
    ticket = set.state;
    taken = anew ? 0 : taken + steps;
    out.replaceChildren(grid(set, { size: 64 }));
    told.textContent = t("explore.taken", { n: number(taken, 9) });
    if (playing) setTimeout(() => move(wholeSeed(per.value) || 1), 60);
  });
  const play = button(t("run.play"), () => { playing = !playing; play.textContent = t(playing ? "run.pause" : "run.play"); if (playing) move(wholeSeed(per.value) || 1); });
  move(0, true);
  return section("explore.chain", "explore.chain.about", el("div.tools", {}, button(t("explore.onestep"), () => move(wholeSeed(per.value) || 1)), play, button(t("explore.anew"), () => move(0, true)), field(t("explore.perstep"), per), told), out);
}

function given(can) {
  let chosen = null;
  const out = el("div.answers");
  const picked = el("div.picked", {}, el("p", {}, t("explore.choose")));
  const examples = el("div.out");
  let first = 0;
  const load = latest(async () => {
    const set = await ask("examples", { first, n: 16 });
    examples.replaceChildren(grid(set, { size: 52, onchoose: (i) => choose(`test:${set.first + i}`, set, i) }));
  });
  const more = button(t("explore.others"), () => { first = (first + 16) % Math.max(1, can.test); load(); });
  const file = el("input", { type: "file", accept: "image/*", onchange: async () => {
    if (!file.files.length) return;
    try {
      const set = await post(ofRun(runName, "upload"), file.files[0]);
      choose(set.picture, set, 0);
    } catch (error) { complain(error); }
  } });
  let set = null, index = 0;
  function choose(ticket, from, i) {
    chosen = ticket; set = from; index = i;
    picked.replaceChildren(picture(from, i, { size: 128, label: t("explore.chosen") }));
    out.replaceChildren();
    if (can.scores.length) score();
    if (can.encodes) reconstruct();
    if (can.completes) completion();
    if (can.domains.length) translation();
    near();
  }
  const fill = (title, work) => {
    const box = el("div.answer", {}, el("h3", {}, t(title)), waiting());
    out.append(box);
    work().then((...found) => box.replaceChildren(el("h3", {}, t(title)), ...found.flat())).catch((error) => box.replaceChildren(el("h3", {}, t(title)), el("p.bad", {}, error.message)));
  };
  const about = (body = {}) => ({ picture: chosen, ...body });
  const score = () => fill("explore.score", async () => {
    const found = await ask("score", about());
    const told = [el("p", {}, t("explore.scored", { by: found.by, score: number(found.score), usual: number(found.usual), p: number(found.p, 2) }))];
    if (found.bits !== null) told.push(el("p", {}, t("explore.bits", { nats: number(found.nats), bits: number(found.bits, 3) })));
    if (found.map) told.push(el("figure", {}, el("img.pixels.map", { src: found.map, alt: t("explore.map") }), el("figcaption", {}, t("explore.map"))));
    return told;
  });
  const reconstruct = () => fill("explore.reconstruct", async () => {
    const found = await ask("reconstruct", about());
    const parts = [grid(found, { size: 96, captions: [t("explore.chosen"), t("explore.rebuilt")] })];
    if (found.difference) parts.push(el("figure", {}, el("img.pixels.map", { src: found.difference, alt: t("explore.difference") }), el("figcaption", {}, t("explore.difference"))));
    return parts;
  });
  const translation = () => fill("explore.translate", async () => { const found = await ask("translate", about()); return [grid(found, { size: 84, captions: found.names })]; });
  const near = () => fill("explore.neighbours", async () => { const found = await ask("neighbours", about()); return [grid(found, { captions: [t("explore.chosen"), ...found.distances.map((d) => number(d, 3))] })]; });
  function completion() {
    const box = el("div.answer", {}, el("h3", {}, t("explore.complete")), el("p", {}, t("explore.complete.about")));
    const [height, width] = [set.height, set.width];
    const mask = new Array(height * width).fill(1);
    const canvas = el("canvas.pixels.brush", { width, height, tabIndex: 0, role: "img", "aria-label": t("explore.brush") });
    canvas.style.width = `${(256 * width) / height}px`; canvas.style.height = "256px";
    const paint = async () => {
      await draw(canvas, set, index);
      const context = canvas.getContext("2d");
      context.fillStyle = "rgba(214, 69, 65, 0.75)";
      mask.forEach((known, i) => { if (!known) context.fillRect(i % width, Math.floor(i / width), 1, 1); });
    };
    const radius = Math.max(1, Math.round(width / 12));
    const rub = (x, y) => {
      for (let j = 0; j < height; j++) for (let i = 0; i < width; i++) if ((i - x) ** 2 + (j - y) ** 2 <= radius ** 2) mask[j * width + i] = 0;
      paint();
    };
    let down = false;
    const at = (event) => { const box_ = canvas.getBoundingClientRect(); rub(((event.clientX - box_.left) / box_.width) * width, ((event.clientY - box_.top) / box_.height) * height); };
    canvas.onpointerdown = (event) => { down = true; canvas.setPointerCapture(event.pointerId); at(event); };
    canvas.onpointermove = (event) => { if (down) at(event); };
    canvas.onpointerup = () => { down = false; };
    const half = (keep) => { mask.forEach((_, i) => { mask[i] = keep(i % width, Math.floor(i / width)) ? 1 : 0; }); paint(); };
    const made = el("div.out");
    let tries = 0;
    const go = button(t("explore.fill"), latest(async () => {
      made.replaceChildren(waiting());
      try { made.replaceChildren(grid(await ask("complete", about({ mask, n: 6, seed: tries++ })), { size: 84 })); } catch (error) { made.replaceChildren(); throw error; }
    }), "primary");
    box.append(canvas, el("p.actions", {}, button(t("explore.lower"), () => half((x, y) => y < height / 2)), button(t("explore.right"), () => half((x) => x < width / 2)), button(t("explore.clear"), () => half(() => true)), go), made);
    paint();
    out.append(box);
  }
  load();
  return section("explore.given", "explore.given.about", el("div.tools", {}, field(t("explore.upload"), file, t("explore.upload.help")), more), examples, picked, out);
}

function judging() {
  const out = el("div");
  const go = button(t("explore.judge"), latest(async () => {
    out.replaceChildren(waiting());
    try {
      const found = await ask("judge", { n: 48 });
      out.replaceChildren(...["data", "samples"].map((name) => el("div", {}, el("h3", {}, t(`explore.judged.${name}`)), grid(found[name], { size: 44, captions: found[name].logits.map((v) => number(v, 2)) }))));
    } catch (error) { out.replaceChildren(); throw error; }
  }), "primary");
  return section("explore.discriminator", "explore.discriminator.about", go, out);
}

begin().catch((error) => main.querySelector(".waiting")?.replaceWith(el("p.bad", { role: "alert" }, error.message)));
