// Blind studies: made here, taken elsewhere, read as the answers come.
import { t, get, post, el, say, complain, main, button, choice, field, number, waiting } from "./core.js";

const list = el("div.studies", {}, waiting());
const made = el("div");
main.append(el("h1", {}, t("title.study")), el("p.about", {}, t("study.about")), el("details", {}, el("summary", {}, t("study.new")), made), list);
let shared = [];

async function form() {
  const { runs } = await get("/api/runs");
  const names = runs.filter((run) => run.recipe && run.state !== "damaged").map((run) => run.name);
  if (!names.length) { made.replaceChildren(el("p.empty", {}, t("runs.empty"))); return; }
  const name = el("input", { maxLength: 100, value: t("study.name.usual") });
  const one = choice(names, names[0]);
  const other = choice([["", t("study.real")], ...names.map((n) => [n, n])], "");
  const trials = el("input", { type: "number", min: 2, max: 400, step: 2, value: 20 });
  const checks = el("input", { type: "number", min: 0, max: 20, value: 2 });
  const seconds = el("input", { type: "number", min: 0, max: 600, value: 0 });
  const seed = el("input", { type: "number", min: 0, value: 0 });
  const failed = el("p.bad", { role: "alert" });
  const go = el("form.tools", { onsubmit: async (event) => {
    event.preventDefault();
    failed.textContent = "";
    try {
      const models = other.value ? [one.value, other.value] : [one.value];
      await post("/api/studies", { name: name.value, models, trials: Number(trials.value), checks: Number(checks.value), seconds: Number(seconds.value), seed: Number(seed.value) });
      say(t("study.made"));
      load();
    } catch (error) { failed.textContent = error.message; }
  } }, field(t("study.name"), name), field(t("study.model"), one), field(t("study.against"), other), field(t("study.trials"), trials),
  field(t("study.checks"), checks, t("study.checks.help")), field(t("study.seconds"), seconds), field(t("explore.seed"), seed), el("button.primary", {}, t("study.make")));
  made.replaceChildren(go, failed);
}

const percent = (x) => `${(100 * x).toFixed(1)} %`;

function told(found) {
  if (!found.all) return el("p", {}, t("study.none"));
  if (!found.attentive) return el("p", {}, t("study.out", { n: found.left_out, share: percent(found.all.share) }));
  const { share, n, p, wilson, clustered, d_prime: d } = found.attentive;
  const range = clustered ?? wilson;
  return el("div", {}, el("p", {}, t(found.kind === "real" ? "study.told" : "study.preferred", { share: percent(share), n, low: percent(range[0]), high: percent(range[1]), p: number(p, 2), d: number(d[0], 2), model: found.models[0], other: found.models[1] ?? "" })),
    found.left_out ? el("p", {}, t("study.out", { n: found.left_out, share: percent(found.all.share) })) : null);
}

async function card(study) {
  const found = await get(`/api/studies/${study.key}`);
  const address = `${location.origin}/take/${study.key}`;
  return el("article.card", {}, el("div.about", {}, el("h2", {}, study.name),
    el("p", {}, study.kind === "real" ? t("study.kind.real", { model: study.models[0] }) : t("study.kind.pair", { model: study.models[0], other: study.models[1] })),
    el("p", {}, t("study.counts", { joined: found.joined, done: found.done, answers: found.answers })), told(found),
    el("p", {}, el("a", { href: `/take/${study.key}`, target: "_blank" }, t("study.take"))),
    shared.length ? el("ul", {}, shared.map((place) => el("li", {}, el("code", {}, `${place}/take/${study.key}`)))) : null,
    el("p.actions", {}, el("a.button", { href: `/api/studies/${study.key}/answers.csv` }, t("study.csv")),
      button(t("run.delete"), async () => { try { await post(`/api/studies/${study.key}/delete`); load(); } catch (error) { complain(error); } }))));
}

let before = "";
async function load() {
  const found = await get("/api/studies");
  shared = found.shared;
  const now = JSON.stringify(found);
  if (now === before) return;
  before = now;
  const share = el("div.tools", {}, button(t(shared.length ? "study.unshare" : "study.share"), async () => {
    try { await post("/api/studies/share", { on: !shared.length }); load(); } catch (error) { complain(error); }
  }), el("small", {}, t(shared.length ? "study.shared" : "study.share.help")));
  const cards = await Promise.all(found.studies.map(card));
  list.replaceChildren(...(cards.length ? [share, el("div.runs", {}, cards)] : [el("p.empty", {}, t("study.empty"))]));
}

async function again() {
  try { await load(); } catch (error) { list.replaceChildren(el("p.bad", {}, error.message)); }
  setTimeout(again, document.hidden ? 10000 : 2500);
}
form().catch(complain);
again();
