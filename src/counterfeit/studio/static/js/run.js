// One run: its curves as they come, what the doctor says, samples over time, results, settings, log.
import { t, get, post, el, complain, main, button, number, ofRun, runPage, runName, waiting } from "./core.js";
import { curves, seriesOf } from "./plots.js";

const GROUPS = [
  ["run.losses", (key) => /(^|\/)(loss|free_energy|adversarial|penalty|.*_loss)$/.test(key) || key === "loss"],
  ["run.outputs", (key) => /\/(real|fake)$/.test(key)],
  ["run.validation", (key) => key.startsWith("valid/")],
  ["run.norms", (key) => /norm|grad|weights/.test(key)],
  ["run.doctor", (key) => key.startsWith("doctor/")],
  ["run.speed", (key) => key === "steps_per_second"],
];
const HIDDEN = new Set(["step", "seconds", "cpu_seconds"]);
let rows = [], notes = [], place = 0;
const plots = new Map();

const head = el("div.title");
const progress = el("p.steps");
const doctor = el("section", { "aria-labelledby": "doctor" });
const gallery = el("section", { "aria-labelledby": "samples" });
const charts = el("section", { "aria-labelledby": "curves" });
const details = el("section");
const machine = el("p.machine");
main.append(head, progress, machine, waiting());

async function begin() {
  let found;
  try {
    found = await get(ofRun(runName, "history"));
  } catch (error) {
    if (!new URLSearchParams(location.search).has("wait")) throw error;
    return pending();
  }
  main.querySelector(".waiting")?.remove();
  ({ rows, notes, place } = found);
  main.append(doctor, gallery, charts, details);
  heading(found.run, found.job);
  showDoctor();
  showPictures(found.pictures);
  showCurves();
  showDetails();
  listen();
}

/** A run that has no folder yet: its job waits, or has failed. */
async function pending() {
  const jobs = await get("/api/jobs");
  const job = jobs.filter((one) => one.run === runName).pop();
  head.replaceChildren(el("h1", {}, runName));
  const waits = main.querySelector(".waiting");
  if (job && ["waiting", "running"].includes(job.state)) {
    waits.textContent = t(job.state === "waiting" ? "run.queued" : "run.starting");
    setTimeout(() => begin().catch(failed), 700);
  } else {
    waits.replaceWith(el("p.bad", { role: "alert" }, job?.error || t("error.missing")));
  }
}

function heading(run, job) {
  const state = job?.state === "failed" && run.state !== "running" ? "failed" : run.state;
  head.replaceChildren(el("h1", {}, run.name), el(`span.state.${state}`, {}, t(`state.${state}`)),
    el("p.actions", {},
      el("a.button.primary", { href: runPage(run.name, "/explore") }, t("run.explore")),
      run.state === "running" ? (job?.state === "running" ? button(t(job.asked ? "run.stopping" : "run.stop"), () => act("stop")) : null)
        : run.step < run.steps ? button(t("run.resume"), () => act("resume")) : null,
      el("a.button", { href: `/new?from=${encodeURIComponent(run.name)}` }, t("run.duplicate")),
      el("a.button", { href: ofRun(run.name, "report"), target: "_blank", rel: "noopener" }, t("run.report"))));
  const last = rows.length ? rows[rows.length - 1] : {};
  const done = Math.max(run.step, last.step || 0);
  const speed = [...rows].reverse().find((row) => row.steps_per_second)?.steps_per_second;
  const left = run.state === "running" && speed ? ` · ${t("run.left", { time: duration((run.steps - done) / speed) })}` : "";
  progress.replaceChildren(el("progress", { max: run.steps || 1, value: done, "aria-label": t("run.progress") }),
    ` ${number(done, 9)} / ${number(run.steps, 9)}${left} · ${[run.recipe, run.family, run.data].join(" · ")}`,
    job?.error ? el("span.bad", {}, ` ${job.error}`) : "");
}

const duration = (seconds) => (seconds < 90 ? t("time.seconds", { n: Math.ceil(seconds) }) : seconds < 5400 ? t("time.minutes", { n: Math.ceil(seconds / 60) }) : t("time.hours", { n: (seconds / 3600).toFixed(1) }));

async function act(what) {
  try { await post(ofRun(runName, what)); setTimeout(refresh, 300); } catch (error) { complain(error); }
}

async function refresh() {
  const found = await get(ofRun(runName, "history"));
  ({ rows, notes } = found);
  heading(found.run, found.job);
  showDoctor();
  showCurves();
}

function showDoctor() {
  const seen = rows.filter((row) => Object.keys(row).some((key) => key.startsWith("doctor/"))).length;
  const findings = notes.filter((row) => row.finding).map((row) => row.finding && { ...row.finding, step: row.step });
  const backs = notes.filter((row) => row.rollback);
  const told = findings.map((one) => el(`div.finding.${one.severity === "failure" ? "failure" : "warning"}`, {},
    el("p", {}, el("b", {}, one.kind.replaceAll("-", " ")), ` ${t("run.at", { step: number(one.step, 9) })}: ${one.saw}.`), el("p", {}, one.why || ""), el("p", {}, code(one.change || ""))));
  backs.forEach((row) => told.push(el("p", {}, t("run.rollback", { from: row.rollback.from, to: row.rollback.to, why: row.rollback.because }))));
  doctor.replaceChildren(el("h2", { id: "doctor" }, t("run.doctor")), ...(told.length ? told : [el("p", {}, seen ? t("run.healthy", { n: seen }) : t("run.unexamined"))]));
}

const code = (text) => text.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));

let shownPictures = "";
function showPictures(pictures) {
  const key = JSON.stringify(pictures);
  if (key === shownPictures || !pictures.length) {
    if (!pictures.length) gallery.replaceChildren(el("h2", { id: "samples" }, t("run.samples")), el("p.empty", {}, t("run.nosamples")));
    return;
  }
  const old = gallery.querySelector("input");
  const atEnd = !old || Number(old.value) === Number(old.max);
  shownPictures = key;
  const image = el("img.pixels.samples", { alt: "" });
  const told = el("output", {});
  const slider = el("input", { type: "range", min: 0, max: pictures.length - 1, step: 1, "aria-label": t("run.scrub") });
  const show = () => {
    const one = pictures[Number(slider.value)];
    image.src = ofRun(runName, `picture/${one.file}`);
    image.alt = t("run.samples.at", { step: number(one.step, 9) });
    told.textContent = t("run.at", { step: number(one.step, 9) });
  };
  slider.value = atEnd ? pictures.length - 1 : old.value;
  slider.oninput = show;
  let playing = null;
  const play = button(t("run.play"), () => {
    if (playing) { clearInterval(playing); playing = null; play.textContent = t("run.play"); return; }
    play.textContent = t("run.pause");
    slider.value = 0; show();
    playing = setInterval(() => {
      if (Number(slider.value) >= Number(slider.max)) { clearInterval(playing); playing = null; play.textContent = t("run.play"); return; }
      slider.value = Number(slider.value) + 1; show();
    }, 350);
  });
  gallery.replaceChildren(el("h2", { id: "samples" }, t("run.samples")), image, el("div.scrub", {}, play, slider, told));
  show();
}

function showCurves() {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((key) => !HIDDEN.has(key));
  const used = new Set();
  const groups = GROUPS.map(([title, belongs]) => [title, names.filter((key) => !used.has(key) && belongs(key) && used.add(key))]);
  groups.splice(1, 0, ["run.other", names.filter((key) => !used.has(key))]);
  if (!charts.firstChild) charts.append(el("h2", { id: "curves" }, t("run.curves")), el("div.plots"));
  const area = charts.querySelector(".plots");
  for (const [title, keys] of groups) {
    if (!keys.length) continue;
    if (!plots.has(title)) {
      const plot = curves(t(title));
      plots.set(title, plot);
      if (title === "run.doctor" || title === "run.speed") {
        const folded = el("details", { ontoggle: () => plot.set(seriesOf(rows, plots.get(title).keys)) }, el("summary", {}, t(title)), plot.element);
        area.append(folded);
      } else area.append(plot.element);
    }
    const plot = plots.get(title);
    plot.keys = keys;
    if (plot.element.offsetParent !== null) plot.set(seriesOf(rows, keys));
  }
  if (!names.length) area.replaceChildren(el("p.empty", {}, t("run.nocurves")));
  else area.querySelector(".empty")?.remove();
}

async function showDetails() {
  try {
    const found = await get(ofRun(runName, "settings"));
    const table = found.results.length ? el("div.scroll", {}, el("table", {}, el("thead", {}, el("tr", {}, ["run.metric", "run.value", "run.n", "run.protocol"].map((key) => el("th", { scope: "col" }, t(key))))),
      el("tbody", {}, found.results.map((one) => el("tr", {}, el("th", { scope: "row" }, one.metric), el("td", {}, `${number(one.value)}${one.error ? ` ± ${number(one.error, 2)}` : ""}`), el("td", {}, number(one.n, 9)), el("td.protocol", {}, one.protocol || "")))))) : el("p.empty", {}, t("run.noresults"));
    const differs = Object.entries(found.differs).map(([key, value]) => el("li", {}, el("code", {}, `${key} ${JSON.stringify(value)}`)));
    const log = el("pre", {});
    details.replaceChildren(el("h2", {}, t("run.results")), table,
      el("h2", {}, t("run.settings")), el("p", {}, differs.length ? t("run.differs", { recipe: found.recipe }) : t("run.same", { recipe: found.recipe })), el("ul", {}, differs),
      el("pre", {}, found.commands.join("\n")),
      el("details", { ontoggle: async (event) => { if (event.target.open) log.textContent = (await get(ofRun(runName, "log"))).text || t("run.nolog"); } }, el("summary", {}, t("run.log")), log));
  } catch (error) { complain(error); }
}

function listen() {
  const source = new EventSource(`${ofRun(runName, "stream")}?place=${place}`);
  let wasRunning = null;
  source.addEventListener("rows", (event) => {
    const found = JSON.parse(event.data);
    const last = rows.length ? rows[rows.length - 1].step : -1;
    rows.push(...found.rows.filter((row) => row.step > last || Object.keys(row).length));
    notes.push(...found.notes);
    showCurves();
    if (found.notes.length || found.rows.some((row) => Object.keys(row).some((key) => key.startsWith("doctor/")))) showDoctor();
    soon();
  });
  source.addEventListener("state", (event) => {
    const found = JSON.parse(event.data);
    showPictures(found.pictures);
    soon();
    if (wasRunning && !found.running) setTimeout(showDetails, 1500);
    wasRunning = found.running;
  });
  source.addEventListener("machine", (event) => {
    const { load, cores, memory, of } = JSON.parse(event.data);
    machine.textContent = memory ? t("run.machine", { load: number(load, 3), cores, memory: (memory / 2 ** 30).toFixed(1), of: (of / 2 ** 30).toFixed(0) }) : "";
  });
}

let timer = null;
function soon() {
  if (timer) return;
  timer = setTimeout(async () => {
    timer = null;
    try {
      const found = await get("/api/runs");
      const run = found.runs.find((one) => one.name === runName);
      if (run) heading(run, (await get("/api/jobs")).filter((one) => one.run === runName).pop());
    } catch { /* the next event tries again */ }
  }, 800);
}

const failed = (error) => main.querySelector(".waiting")?.replaceWith(el("p.bad", { role: "alert" }, error.message));
begin().catch(failed);
