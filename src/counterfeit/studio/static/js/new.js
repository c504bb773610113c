// A new run: a recipe, its settings, a name.
import { t, get, post, el, complain, main, choice, field, runPage, ofRun, waiting } from "./core.js";

const query = new URLSearchParams(location.search);
const place = el("div", {}, waiting());
main.append(el("h1", {}, t("title.new")), place);
const MAIN = ["data.name", "data.size", "train.steps", "train.batch_size", "train.lr", "train.seed"];

async function begin() {
  const recipes = await get("/api/recipes");
  const data = await get("/api/data");
  let from = null;
  if (query.get("from")) from = { name: query.get("from"), ...(await get(ofRun(query.get("from"), "settings"))) };
  const first = from?.known ? from.recipe : query.get("recipe") || "gan";
  const families = [...new Set(recipes.map((one) => one.family))].sort();
  const select = el("select", {}, families.map((family) => el("optgroup", { label: family }, recipes.filter((one) => one.family === family)
    .map((one) => el("option", { value: one.name, selected: one.name === first }, one.name)))));
  const about = el("p.about", {});
  const form = el("form.new", { onsubmit: submit });
  const name = el("input", { placeholder: t("new.name.help"), autocomplete: "off", maxLength: 100 });
  const settings = el("div", {});
  const failed = el("p.bad", { role: "alert" });
  form.append(field(t("new.recipe"), select), about, field(t("new.name"), name), settings, failed, el("button.primary", {}, t("new.train")));
  place.replaceChildren(form);
  let usual = {};

  async function show() {
    about.textContent = recipes.find((one) => one.name === select.value)?.summary ?? "";
    settings.replaceChildren(waiting());
    const found = await get(`/api/recipes/${encodeURIComponent(select.value)}`);
    usual = Object.fromEntries(found.settings.map((one) => [one.key, text(one.default)]));
    const differs = from && from.recipe === select.value ? from.differs : {};
    const rows = found.settings.map((one) => control(one, one.key in differs ? text(differs[one.key]) : usual[one.key]));
    const groups = [[t("new.main"), (key) => MAIN.includes(key), true], [t("new.model"), (key) => key.startsWith("model."), false],
      [t("new.data"), (key) => key.startsWith("data."), false], [t("new.training"), (key) => key.startsWith("train."), false],
      [t("new.evaluation"), (key) => key.startsWith("evaluate."), false]];
    const used = new Set();
    settings.replaceChildren(...groups.map(([title, belongs, open]) => {
      const chosen = rows.filter((row) => belongs(row.key) && !used.has(row.key));
      chosen.forEach((row) => used.add(row.key));
      const changed = chosen.some((row) => row.key in differs);
      return el("details", { open: open || changed }, el("summary", {}, title), el("div.fields", {}, chosen.map((row) => row.element)));
    }));
  }

  function control(setting, value) {
    let input;
    if (setting.choices.length) input = choice(setting.choices, value);
    else if (setting.type === "true or false") input = choice([["true", t("yes")], ["false", t("no")]], value);
    else input = el("input", { value, autocomplete: "off", spellcheck: false, inputMode: setting.type === "a number" || setting.type === "an integer" ? "decimal" : "text" });
    if (setting.key === "data.name") input.setAttribute("list", "sources");
    input.name = setting.key;
    const help = `${setting.help.replace(/\s+/g, " ")} (${setting.type}; ${t("new.usual", { value: usual[setting.key] })})`;
    return { key: setting.key, element: field(setting.key, input, help) };
  }

  async function submit(event) {
    event.preventDefault();
    failed.textContent = "";
    const changed = {};
    for (const input of form.elements) if (input.name && input.value !== usual[input.name]) changed[input.name] = input.value;
    try {
      const { run } = await post("/api/runs", { recipe: select.value, name: name.value, settings: changed });
      location.href = runPage(run, "?wait=1");
    } catch (error) { failed.textContent = error.message; }
  }

  place.append(el("datalist", { id: "sources" }, data.map((one) => el("option", { value: one.name }, one.summary))));
  select.onchange = () => show().catch(complain);
  if (from) name.value = "";
  await show();
}

function text(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return `[${value.map(text).join(", ")}]`;
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}
begin().catch((error) => place.replaceChildren(el("p.bad", {}, error.message)));
