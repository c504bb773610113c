// Several runs side by side: samples of the same seeds, numbers, curves.
import { t, get, post, el, complain, main, button, number, field, ofRun, runPage, waiting } from "./core.js";
import { grid } from "./show.js";
import { curves, seriesOf } from "./plots.js";

const MOST = 6;
const state = new URLSearchParams(location.search);
const chosen = new Set(state.getAll("run"));
const seed = el("input", { type: "number", min: 0, value: state.get("seed") || 0, onchange: () => show() });
const list = el("div.choices", {}, waiting());
const out = el("div.compared");
let table = [];
main.append(el("h1", {}, t("title.compare")), el("p.about", {}, t("compare.about", { most: MOST })), list, el("div.tools", {}, field(t("explore.seed"), seed), button(t("compare.csv"), csv), button(t("compare.png"), png)), out);

async function begin() {
  const { runs } = await get("/api/runs");
  const rows = runs.filter((run) => run.recipe);
  if (!rows.length) { list.replaceChildren(el("p.empty", {}, t("runs.empty"))); return; }
  list.replaceChildren(...rows.map((run) => el("label.choice", {}, el("input", { type: "checkbox", checked: chosen.has(run.name), onchange: (event) => {
    if (event.target.checked && chosen.size >= MOST) { event.target.checked = false; complain(new Error(t("compare.many", { most: MOST }))); return; }
    event.target.checked ? chosen.add(run.name) : chosen.delete(run.name);
    show();
  } }), run.name)));
  show();
}

async function show() {
  const names = [...chosen];
  const query = new URLSearchParams([...names.map((name) => ["run", name]), ["seed", seed.value]]);
  history.replaceState(null, "", `?${query}`);
  if (!names.length) { out.replaceChildren(el("p.empty", {}, t("compare.none"))); return; }
  const columns = names.map((name) => {
    const box = el("div.column", {}, el("h2", {}, el("a", { href: runPage(name) }, name)), waiting());
    post(ofRun(name, "ask/sample"), { n: 16, seed: Number(seed.value) || 0 }).then((set) => box.querySelector(".waiting").replaceWith(grid(set, { size: 48 })))
      .catch((error) => box.querySelector(".waiting").replaceWith(el("p.bad", {}, error.message)));
    return box;
  });
  const numbers = el("div.scroll", {}, waiting());
  const plots = el("div.plots");
  out.replaceChildren(el("h2", {}, t("compare.samples", { seed: seed.value })), el("div.columns", {}, columns), el("h2", {}, t("run.results")), numbers, el("h2", {}, t("run.curves")), plots);
  try {
    const settings = await Promise.all(names.map((name) => get(ofRun(name, "settings"))));
    const histories = await Promise.all(names.map((name) => get(ofRun(name, "history"))));
    if (names.join() !== [...chosen].join()) return;
    const metrics = [...new Set(settings.flatMap((one) => one.results.map((row) => row.metric)))];
    table = [["metric", "protocol", ...names.flatMap((name) => [name, `${name} error`])]];
    const body = metrics.map((metric) => {
      const rows = settings.map((one) => one.results.find((row) => row.metric === metric));
      const prints = new Set(rows.filter(Boolean).map((row) => row.fingerprint));
      table.push([metric, rows.find(Boolean).protocol, ...rows.flatMap((row) => [row?.value ?? "", row?.error ?? ""])]);
      return el("tr", {}, el("th", { scope: "row", title: rows.find(Boolean).protocol }, metric, prints.size > 1 ? el("small.bad", {}, ` ${t("compare.protocols")}`) : ""),
        rows.map((row) => el("td", {}, row ? `${number(row.value)}${row.error ? ` ± ${number(row.error, 2)}` : ""}` : "–")));
    });
    numbers.replaceChildren(metrics.length ? el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("run.metric")), names.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, body)) : el("p.empty", {}, t("run.noresults")));
    const keys = [...new Set(histories.flatMap((one) => one.rows.flatMap((row) => Object.keys(row))))].filter((key) => !["step", "seconds", "cpu_seconds"].includes(key) && !key.startsWith("doctor/"));
    for (const key of keys) {
      const series = names.flatMap((name, i) => seriesOf(histories[i].rows, [key]).map((one) => ({ ...one, label: name }))).filter((one) => one.x.length);
      const plot = curves(key, { height: 180 });
      plots.append(plot.element);
      plot.set(series);
    }
    if (!keys.length) plots.append(el("p.empty", {}, t("run.nocurves")));
  } catch (error) { complain(error); }
}

function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function csv() {
  const quoted = (cell) => `"${String(cell).replaceAll('"', '""').replace(/^([=+\-@])(?![\d.])/, "'$1")}"`;
  save(new Blob([table.map((row) => row.map(quoted).join(",")).join("\n") + "\n"], { type: "text/csv" }), "comparison.csv");
}

function png() {
  const boxes = [...out.querySelectorAll(".column")];
  const cells = boxes.map((box) => [...box.querySelectorAll("canvas")]);
  if (!cells.some((one) => one.length)) return;
  const size = 56, across = 4, gap = 24;
  const sheet = el("canvas", { width: boxes.length * (across * size + gap), height: 30 + size * Math.ceil(Math.max(...cells.map((one) => one.length)) / across) });
  const context = sheet.getContext("2d");
  context.fillStyle = "#fff"; context.fillRect(0, 0, sheet.width, sheet.height);
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#111"; context.font = "14px system-ui";
  cells.forEach((some, i) => {
    const left = i * (across * size + gap);
    context.fillText([...chosen][i].slice(0, 30), left, 18);
    some.forEach((canvas, k) => context.drawImage(canvas, left + (k % across) * size, 28 + Math.floor(k / across) * size, size, size));
  });
  sheet.toBlob((blob) => save(blob, "comparison.png"));
}
begin().catch((error) => list.replaceChildren(el("p.bad", {}, error.message)));
