// The theory room: games on densities that are known, played by the engine, a few steps at a time.
import { t, get, post, el, complain, main, button, choice, field, number, waiting } from "./core.js";
import { css } from "./show.js";
import { curves } from "./plots.js";

const EDGE = 4.5, BARS = 60;
const NAMED = { 1: ["bimodal-1d", "gaussian-1d"], 2: ["ring", "grid", "two-moons", "swiss-roll", "gaussian-2d"] };
const FAMILIES = ["gan", "vae", "flow", "energy", "diffusion"];
const PRESETS = {
  usual: { dims: 1, data: "bimodal-1d", objective: "non-saturating", discriminator_steps: 1, generator_steps: 1, lr: 0.002, discriminator_lr: 0.002, generator_lr: 0.002, penalty: "none" },
  vanishing: { dims: 1, data: "bimodal-1d", objective: "minimax", discriminator_steps: 20, generator_steps: 1, discriminator_lr: 0.01, generator_lr: 0.002, penalty: "none" },
  recover: { dims: 1, data: "bimodal-1d", objective: "non-saturating", discriminator_steps: 5, generator_steps: 1, discriminator_lr: 0.005, generator_lr: 0.002, penalty: "none" },
  helvetica: { dims: 2, data: "ring", objective: "non-saturating", discriminator_steps: 1, generator_steps: 8, discriminator_lr: 0.0005, generator_lr: 0.003, penalty: "none" },
  cured: { dims: 2, data: "ring", objective: "non-saturating", discriminator_steps: 1, generator_steps: 1, discriminator_lr: 0.003, generator_lr: 0.002, penalty: "r1", penalty_weight: 0.1 },
  kl: { dims: 2, data: "ring", objective: "kl", discriminator_steps: 2, generator_steps: 1, discriminator_lr: 0.002, generator_lr: 0.001, penalty: "r1", penalty_weight: 0.1 },
  reverse: { dims: 2, data: "ring", objective: "reverse-kl", discriminator_steps: 2, generator_steps: 1, discriminator_lr: 0.002, generator_lr: 0.001, penalty: "r1", penalty_weight: 0.1 },
};
const NUMBERS = ["discriminator_steps", "generator_steps", "discriminator_lr", "generator_lr", "penalty_weight"];

const controls = {};
let dims = 1, painted = null, games = [], playing = false, past = [], round = 0;

main.append(el("h1", {}, t("title.theory")), el("p.about", {}, t("theory.about")), waiting());
const stage = el("div.stage");
const story = el("p.story", { role: "status" });
const jsdPlot = curves(t("theory.jsd.plot"), { height: 150 });
const valuePlot = curves(t("theory.value.plot"), { height: 150 });

async function begin() {
  const options = await get("/api/theory");
  main.querySelector(".waiting").remove();
  controls.dims = choice([[1, t("theory.line")], [2, t("theory.plane")]], 1, () => { dims = Number(controls.dims.value); named(); painted = null; start(); });
  controls.data = el("select", { onchange: () => { painted = null; start(); } });
  controls.objective = choice(options.objectives.filter((one) => !["feature-matching"].includes(one)), "non-saturating", start);
  controls.penalty = choice(options.penalties, "none", start);
  const usual = { discriminator_steps: 1, generator_steps: 1, discriminator_lr: 0.002, generator_lr: 0.002, penalty_weight: 0.1 };
  for (const name of NUMBERS) controls[name] = el("input", { type: "number", min: 0, step: "any", value: usual[name], onchange: start });
  controls.seed = el("input", { type: "number", min: 0, value: 0, onchange: start });
  controls.speed = el("input", { type: "range", min: 1, max: 60, value: 10, "aria-label": t("theory.speed") });
  controls.beside = el("input", { type: "checkbox", onchange: start });
  const play = button(t("run.play"), () => toggle(), "primary");
  controls.play = play;
  const by = (player) => button(t(`theory.step.${player}`), () => { if (playing) toggle(); advance(1, player); });
  const presets = el("div.presets", {}, Object.keys(PRESETS).map((key) => button(t(`theory.preset.${key}`), () => preset(key))));
  main.append(
    el("section", {}, el("h2", {}, t("theory.try")), presets, story),
    el("section.room", {}, el("div.controls", {},
      el("div.tools", {}, play, by("discriminator"), by("generator"), by("both"), button(t("theory.restart"), start)),
      field(t("theory.speed"), controls.speed), field(t("theory.dims"), controls.dims), field(t("theory.data"), controls.data), el("p.hint", {}, t("theory.paint")),
      field(t("theory.objective"), controls.objective), ...NUMBERS.slice(0, 4).map((name) => field(t(`theory.${name}`), controls[name])),
      field(t("theory.penalty"), controls.penalty), field(t("theory.penalty_weight"), controls.penalty_weight), field(t("explore.seed"), controls.seed),
      el("label.check", {}, controls.beside, t("theory.beside"))),
      el("div", {}, stage, el("div.plots", {}, jsdPlot.element, valuePlot.element))),
    el("section.sentences", {}, ...["value", "best", "cost", "optimum"].map((key) => el("div.sentence", {}, el("p.formula", {}, t(`theory.formula.${key}`)), el("p", {}, t(`theory.sentence.${key}`))))));
  named();
  await preset("usual");
}

function named() {
  controls.data.replaceChildren(...NAMED[dims].map((name) => el("option", { value: name }, name)), el("option", { value: "painted", disabled: !painted }, t("theory.painted")));
}

async function preset(key) {
  const chosen = PRESETS[key];
  dims = chosen.dims;
  controls.dims.value = dims;
  painted = null;
  named();
  controls.data.value = chosen.data;
  for (const name of ["objective", "penalty", ...NUMBERS]) if (name in chosen) controls[name].value = chosen[name];
  story.textContent = t(`theory.story.${key}`);
  if (playing) toggle();
  await start();
}

const settings = () => ({ objective: controls.objective.value, penalty: controls.penalty.value, penalty_weight: Number(controls.penalty_weight.value),
  discriminator_steps: Number(controls.discriminator_steps.value), generator_steps: Number(controls.generator_steps.value),
  discriminator_lr: Number(controls.discriminator_lr.value), generator_lr: Number(controls.generator_lr.value) });

const data = () => (painted ? (dims === 1 ? { heights: painted } : { points: painted }) : { name: controls.data.value });

async function start() {
  const mine = ++round;
  const families = controls.beside.checked && dims === 2 ? FAMILIES : ["gan"];
  past = [];
  try {
    const made = await Promise.all(families.map((model) => post("/api/theory", { dims, data: data(), model, settings: model === "gan" ? settings() : {}, seed: Number(controls.seed.value) || 0 })));
    if (mine !== round) return;
    games = made.map((one, i) => ({ ticket: one.game, model: families[i], seen: one }));
    stage.replaceChildren(...games.map((game) => {
      game.canvas = el("canvas.board", { tabIndex: 0, role: "img", "aria-label": t("theory.board") });
      if (game === games[0]) painting(game.canvas);
      game.told = el("figcaption");
      return el("figure.game", {}, el("h3", {}, t(`theory.model.${game.model}`)), game.canvas, game.told);
    }));
    games.forEach(paint);
    note();
  } catch (error) { complain(error); }
}

function toggle() {
  playing = !playing;
  controls.play.textContent = t(playing ? "run.pause" : "run.play");
  if (playing) loop();
}

async function loop() {
  while (playing) {
    const began = performance.now();
    if (!document.hidden) await advance(Number(controls.speed.value), "both");
    await new Promise((resolve) => setTimeout(resolve, Math.max(15, 60 - (performance.now() - began))));
  }
}

async function advance(steps, player) {
  const mine = round;
  try {
    for (const game of games) {
      const seen = await post(`/api/theory/${game.ticket}`, { steps, player: game.model === "gan" ? player : "both" });
      if (mine !== round) return;
      game.seen = seen;
      paint(game);
    }
    note();
  } catch (error) { if (playing) toggle(); complain(error); }
}

function note() {
  const seen = games[0].seen;
  past.push({ step: seen.step, jsd: games.map((game) => game.seen.jsd), value: seen.value, best: seen.best_value });
  if (past.length > 3000) past = past.filter((_, i) => i % 2 === 0);
  const x = past.map((row) => row.step);
  jsdPlot.set([...games.map((game, k) => ({ label: games.length > 1 ? t(`theory.model.${game.model}`) : "JSD", x, y: past.map((row) => row.jsd[k]) })), ...(games.length > 1 ? [] : [{ label: "C(G)", x, y: past.map((row) => row.jsd[0] * 2 - Math.log(4)) }])]);
  valuePlot.set([{ label: "V(D, G)", x, y: past.map((row) => row.value) }, { label: "V(D*, G)", x, y: past.map((row) => row.best) }]);
}

function paint(game) {
  const { seen, canvas } = game;
  const size = games.length > 1 ? 240 : dims === 1 ? 340 : 420;
  const width = dims === 1 ? Math.min(680, stage.clientWidth || 680) : size;
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale; canvas.height = size * scale;
  canvas.style.width = `${width}px`; canvas.style.height = `${size}px`;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  (dims === 1 ? line : field2)(context, seen, width, size);
  const told = [t("theory.told", { step: number(seen.step, 9), jsd: number(seen.jsd, 3), cost: number(seen.cost, 3) })];
  if (seen.off !== undefined) told.push(t("theory.off", { off: number(seen.off, 2) }));
  game.told.textContent = told.join(" ");
}

function line(context, seen, width, height) {
  const bottom = height - 78, top = Math.max(0.3, ...seen.p, ...seen.q.map((q) => Math.min(q, 2.5)));
  const px = (x) => ((x + EDGE) / (2 * EDGE)) * width;
  const stroke = (ys, color, toY, dash = []) => {
    context.beginPath(); context.strokeStyle = css(color); context.lineWidth = 2; context.setLineDash(dash);
    let pen = false;
    ys.forEach((y, i) => {
      if (y === null) { pen = false; return; }
      pen ? context.lineTo(px(seen.x[i]), toY(y)) : context.moveTo(px(seen.x[i]), toY(y));
      pen = true;
    });
    context.stroke(); context.setLineDash([]);
  };
  const density = (y) => bottom - (Math.min(y, top) / top) * (bottom - 14);
  const share = (y) => bottom - y * (bottom - 14);
  context.strokeStyle = css("line"); context.beginPath(); context.moveTo(0, bottom); context.lineTo(width, bottom); context.stroke();
  stroke(seen.p, "data", density, [2, 4]);
  stroke(seen.q, "fake", density);
  if (seen.best) stroke(seen.best, "best", share, [6, 5]);
  if (seen.d) stroke(seen.d, "judge", share);
  context.fillStyle = css("fake"); context.globalAlpha = 0.35;
  seen.samples.slice(0, 200).forEach((x) => context.fillRect(px(x) - 1, bottom + 4, 2, 12));
  context.globalAlpha = 1;
  if (seen.pulls) {
    const longest = Math.max(1e-6, ...seen.pulls.map(([v]) => Math.abs(v)));
    seen.pulled.forEach(([x], i) => arrow(context, px(x), bottom + 30 + (i % 6) * 3, (seen.pulls[i][0] / longest) * 46, 0));
    context.fillStyle = css("ink"); context.font = "12px system-ui";
    context.fillText(t("theory.pull", { most: longest.toExponential(1) }), 6, height - 6);
  }
  legend(context, [["data", "p_data"], ["fake", "p_g"], ["judge", "D"], ["best", "D*"]]);
}

function arrow(context, x, y, dx, dy) {
  const length = Math.hypot(dx, dy);
  if (length < 0.5) return;
  context.strokeStyle = css("pull"); context.lineWidth = 1.2;
  context.beginPath(); context.moveTo(x, y); context.lineTo(x + dx, y + dy);
  const a = Math.atan2(dy, dx);
  for (const turn of [2.6, -2.6]) { context.moveTo(x + dx, y + dy); context.lineTo(x + dx + 4 * Math.cos(a + turn), y + dy + 4 * Math.sin(a + turn)); }
  context.stroke();
}

function legend(context, entries) {
  context.font = "13px system-ui";
  let x = 8;
  for (const [color, name] of entries) {
    context.fillStyle = css(color); context.fillRect(x, 8, 14, 4);
    context.fillStyle = css("ink"); context.fillText(name, x + 18, 15);
    x += 30 + context.measureText(name).width;
  }
}

function field2(context, seen, width, height) {
  const side = seen.side, cell = width / side;
  const shades = seen.d ?? seen.model ?? null;
  for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) {
    const k = i * side + j;
    const [left, up] = [i * cell, height - (j + 1) * cell];
    if (shades) {
      const v = shades[k];
      context.fillStyle = css(seen.d ? (v > 0.5 ? "judge" : "fake") : "best");
      context.globalAlpha = seen.d ? Math.abs(v - 0.5) * 0.7 : v * 0.7;
      context.fillRect(left, up, cell + 0.5, cell + 0.5);
    }
    if (seen.p[k] > 0.25) { context.globalAlpha = 0.55 * seen.p[k]; context.fillStyle = css("data"); context.fillRect(left + cell * 0.3, up + cell * 0.3, cell * 0.4, cell * 0.4); }
  }
  context.globalAlpha = 1;
  const at = ([x, y]) => [((x + EDGE) / (2 * EDGE)) * width, height - ((y + EDGE) / (2 * EDGE)) * height];
  context.fillStyle = css("fake");
  seen.samples.forEach((point) => { const [x, y] = at(point); context.beginPath(); context.arc(x, y, 1.6, 0, 7); context.fill(); });
  if (seen.pulls) {
    const longest = Math.max(1e-9, ...seen.pulls.map(([a, b]) => Math.hypot(a, b)));
    seen.pulled.forEach((point, i) => { const [x, y] = at(point); arrow(context, x, y, (seen.pulls[i][0] / longest) * 34, (-seen.pulls[i][1] / longest) * 34); });
  }
  legend(context, seen.d ? [["data", "p_data"], ["fake", "G(z)"], ["judge", t("theory.real")]] : [["data", "p_data"], ["fake", t("theory.samples")]]);
}

/** Draw p_data by hand: heights over the line, or points in the plane. */
function painting(canvas) {
  let drawn = null, last = null;
  const where = (event) => { const box = canvas.getBoundingClientRect(); return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]; };
  const add = (event) => {
    const [x, y] = where(event);
    if (dims === 1) {
      const bar = Math.max(0, Math.min(BARS - 1, Math.floor(x * BARS)));
      const height = Math.max(0, 1 - y / 0.77);
      const from = last ?? bar;
      for (let b = Math.min(from, bar); b <= Math.max(from, bar); b++) drawn[b] = height;
      last = bar;
    } else if (drawn.length < 400) {
      drawn.push([(x - 0.5) * 2 * EDGE, (0.5 - y) * 2 * EDGE].map((v) => Math.max(-EDGE, Math.min(EDGE, v))));
    }
    const context = canvas.getContext("2d");
    context.fillStyle = css("data"); context.beginPath(); context.arc(x * canvas.clientWidth, y * canvas.clientHeight, 4, 0, 7); context.fill();
  };
  canvas.onpointerdown = (event) => { if (playing) toggle(); drawn = dims === 1 ? new Array(BARS).fill(0) : []; last = null; canvas.setPointerCapture(event.pointerId); add(event); };
  canvas.onpointermove = (event) => { if (drawn) add(event); };
  canvas.onpointerup = () => {
    const done = drawn;
    drawn = null;
    if (!done || (dims === 1 && done.every((h) => h === 0))) return;
    painted = done;
    named();
    controls.data.value = "painted";
    start();
  };
}

begin().catch((error) => main.querySelector(".waiting")?.replaceWith(el("p.bad", { role: "alert" }, error.message)));
