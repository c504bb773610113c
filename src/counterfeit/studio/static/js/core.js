// What all pages share: words, requests, elements, messages. Text only ever becomes text, never markup.

const words = JSON.parse(document.getElementById("words").textContent);
const csrf = document.querySelector("meta[name=csrf]").content;
export const main = document.getElementById("main");
export const runName = document.body.dataset.run;

/** The text of a key, with {places} filled in. */
export function t(key, places = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in places ? String(places[name]) : whole));
}

/** The address of a run's part of the API. */
export const ofRun = (name, rest) => `/api/runs/${name.split("/").map(encodeURIComponent).join("/")}/${rest}`;
export const runPage = (name, rest = "") => `/runs/${name.split("/").map(encodeURIComponent).join("/")}${rest}`;

async function answer(response) {
  const type = response.headers.get("content-type") || "";
  const body = type.includes("json") ? await response.json() : { error: (await response.text()).trim() };
  if (!response.ok) throw new Error(body.error || response.statusText);
  return body;
}

async function reached(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(t("error.unreachable"));
  }
}

export const get = async (url, options) => answer(await reached(fetch(url, options)));

export async function post(url, body = {}, signal) {
  const raw = body instanceof Blob;
  const headers = { "x-counterfeit-key": csrf, "content-type": raw ? "application/octet-stream" : "application/json" };
  const request = { method: "POST", headers, body: raw ? body : JSON.stringify(body), signal };
  return answer(await reached(fetch(url, request)));
}

/** An element: `el("a.big", {href: "/"}, "text", child, …)`; `on…` are listeners, `null` children are left out. */
export function el(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && key !== "list" && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Say something for a while; with `undo`, a button that takes it back. */
export function say(text, { undo = null, bad = false } = {}) {
  const box = el(bad ? "div.message.bad" : "div.message", {}, el("span", {}, text));
  const close = () => box.remove();
  if (undo) box.append(el("button", { type: "button", onclick: () => { close(); undo(); } }, t("undo")));
  box.append(el("button.close", { type: "button", "aria-label": t("close"), onclick: close }, "×"));
  document.getElementById("messages").append(box);
  if (!bad) setTimeout(close, undo ? 15000 : 6000);
  return box;
}

export const complain = (error) => {
  if (error.name !== "AbortError") say(error.message, { bad: true });
};

/** A function that is busy only once at a time; of calls meanwhile, the last one follows. */
export function latest(work) {
  let running = false;
  let next = null;
  return async function call(...args) {
    if (running) { next = args; return; }
    running = true;
    try {
      await work(...args);
    } catch (error) {
      complain(error);
    } finally {
      running = false;
      if (next) { const following = next; next = null; call(...following); }
    }
  };
}

export const number = (value, digits = 4) =>
  value === null || value === undefined || Number.isNaN(value) ? "–"
    : Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2)
      : Number(value.toPrecision(digits)).toLocaleString(document.documentElement.lang);

/** A labelled control. */
export function field(label, control, help = "") {
  const id = `f${Math.random().toString(36).slice(2)}`;
  control.id = id;
  const told = help ? el("small", { id: `${id}-help` }, help) : null;
  if (told) control.setAttribute("aria-describedby", `${id}-help`);
  return el("div.field", {}, el("label", { htmlFor: id }, label), control, told);
}

export function choice(values, chosen, onchange = null) {
  const options = values.map((one) => {
    const [value, text] = Array.isArray(one) ? one : [one, one];
    return el("option", { value, selected: String(value) === String(chosen) }, String(text));
  });
  return el("select", { onchange }, options);
}

export const button = (text, onclick, kind = "") => el(kind ? `button.${kind}` : "button", { type: "button", onclick }, text);

/** While something loads: the space that it will take. */
export const waiting = (text = t("loading")) => el("p.waiting", { role: "status" }, text);
