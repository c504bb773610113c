// The list of runs.
import { t, get, post, el, say, complain, main, button, choice, number, ofRun, runPage, waiting } from "./core.js";

const ORDERS = { newest: (a, b) => b.at - a.at, name: (a, b) => a.name.localeCompare(b.name), recipe: (a, b) => a.recipe.localeCompare(b.recipe), step: (a, b) => b.step - a.step };
let runs = [];
let jobs = [];
const search = el("input", { type: "search", placeholder: t("runs.search"), "aria-label": t("runs.search"), oninput: () => paint() });
const order = choice(Object.keys(ORDERS).map((key) => [key, t(`runs.order.${key}`)]), "newest", () => paint());
order.setAttribute("aria-label", t("runs.order"));
const list = el("div.runs", { "aria-live": "off" }, waiting());
main.append(
  el("div.title", {}, el("h1", {}, t("title.runs")), el("a.button.primary", { href: "/new" }, t("nav.new"))),
  el("div.tools", {}, search, order), list,
);

function matches(run) {
  const text = [run.name, run.recipe, run.model, run.family, run.data, run.state, ...(run.tags || [])].join(" ").toLowerCase();
  return search.value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function paint() {
  const shown = runs.map((run, i) => ({ ...run, at: -i })).filter(matches).sort(ORDERS[order.value]);
  const parts = jobs.map(waitingCard).concat(shown.map(card));
  if (parts.length) list.replaceChildren(...parts);
  else if (runs.length) list.replaceChildren(el("p.empty", {}, t("runs.nothing", { what: search.value })));
  else list.replaceChildren(el("div.empty", {}, el("p", {}, t("runs.empty")), el("a.button.primary", { href: "/new" }, t("nav.new"))));
}

function waitingCard(job) {
  return el("article.card", {}, el("div.thumb.blank"), el("div.about", {}, el("h2", {}, job.run), state(job.state),
    job.error ? el("p.bad", {}, job.error) : null,
    job.state === "waiting" || job.state === "running" ? el("p.actions", {}, button(t("run.stop"), () => act(job.run, "stop"))) : null));
}

export const state = (name) => el(`span.state.${name}`, {}, t(`state.${name}`));

function card(run) {
  const source = run.picture ? ofRun(run.name, `picture/${run.picture}`) : null;
  const thumb = el("a.thumb", { href: runPage(run.name), tabIndex: -1, "aria-hidden": "true" }, source ? el("img.pixels", { src: source, alt: "", loading: "lazy" }) : null);
  const share = run.steps ? Math.min(1, run.step / run.steps) : 0;
  return el("article.card", {}, thumb, el("div.about", {},
    el("h2", {}, el("a", { href: runPage(run.name) }, run.name)), state(run.state),
    el("p", {}, [run.recipe, run.family, run.data].filter(Boolean).join(" · ")),
    el("p.steps", {}, el("progress", { max: 1, value: share, "aria-label": t("run.progress") }), ` ${number(run.step, 9)} / ${number(run.steps, 9)}`),
    run.numbers.length ? el("ul.numbers", {}, run.numbers.map((one) => el("li", {}, `${one.metric} `, el("b", {}, one.text)))) : null,
    run.error ? el("p.bad", {}, run.error) : null,
    el("p.tags", {}, (run.tags || []).map((tag) => el("button.tag", { type: "button", onclick: () => { search.value = tag; paint(); } }, tag)),
      button(t("runs.tag"), () => tagging(run), "quiet")),
    el("p.actions", {},
      run.state === "running" && run.ours ? button(t("run.stop"), () => act(run.name, "stop")) : null,
      ["stopped", "failed"].includes(run.state) ? button(t("run.resume"), () => act(run.name, "resume")) : null,
      run.recipe ? el("a.button", { href: `/new?from=${encodeURIComponent(run.name)}` }, t("run.duplicate")) : null,
      run.state === "running" ? null : button(t("run.delete"), () => remove(run.name)))));
}

function tagging(run) {
  const box = el("input", { value: (run.tags || []).join(", "), "aria-label": t("runs.tags.help"), placeholder: t("runs.tags.help") });
  const form = el("form.tagging", { onsubmit: async (event) => {
    event.preventDefault();
    try {
      await post(ofRun(run.name, "tags"), { tags: box.value.split(",").map((tag) => tag.trim()).filter(Boolean) });
      load();
    } catch (error) { complain(error); }
  } }, box, el("button", {}, t("save")));
  const cards = [...list.querySelectorAll("article")];
  cards.find((one) => one.querySelector("h2").textContent === run.name)?.querySelector(".tags").replaceWith(form);
  box.focus();
}

async function act(name, what) {
  try {
    await post(ofRun(name, what));
    await load();
  } catch (error) { complain(error); }
}

async function remove(name) {
  try {
    const { ticket } = await post(ofRun(name, "delete"));
    await load();
    say(t("runs.deleted", { name }), { undo: async () => { try { await post("/api/restore", { ticket }); load(); } catch (error) { complain(error); } } });
  } catch (error) { complain(error); }
}

let before = "";
async function load() {
  const found = await get("/api/runs");
  const now = JSON.stringify(found);
  if (now === before) return;
  before = now;
  ({ runs, jobs } = found);
  if (!list.querySelector(".tagging")) paint();
}

async function again() {
  try { await load(); } catch (error) { if (!runs.length) list.replaceChildren(el("p.bad", {}, error.message)); }
  setTimeout(again, document.hidden ? 10000 : 2000);
}
again();
