// Examples on a page: pictures from a sprite, points, texts, rows.
import { el, t } from "./core.js";

const images = new Map();
function loaded(uri) {
  if (!images.has(uri)) {
    if (images.size > 64) images.delete(images.keys().next().value);
    images.set(uri, new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = reject;
      image.src = uri;
    }));
  }
  return images.get(uri);
}

/** Draw picture `i` of a sprite into a canvas of its own size. */
export async function draw(canvas, set, i) {
  const image = await loaded(set.uri);
  if (canvas.width !== set.width || canvas.height !== set.height) { canvas.width = set.width; canvas.height = set.height; }
  const x = (i % set.across) * set.width;
  const y = Math.floor(i / set.across) * set.height;
  canvas.getContext("2d").drawImage(image, x, y, set.width, set.height, 0, 0, set.width, set.height);
}

/** A canvas that shows picture `i`; `size` is its height in CSS pixels. */
export function picture(set, i, { size = 64, label = "" } = {}) {
  const canvas = el("canvas.pixels", { width: set.width, height: set.height, role: "img", "aria-label": label || t("picture.n", { n: i + 1 }) });
  canvas.style.height = `${size}px`;
  canvas.style.width = `${(size * set.width) / set.height}px`;
  draw(canvas, set, i);
  return canvas;
}

/** All examples: `onchoose(i)` makes pictures buttons; `captions` stand below them. */
export function grid(set, { size = 64, onchoose = null, captions = [] } = {}) {
  if (set.kind === "points") return plane([{ points: set.points, color: "accent" }]);
  if (set.kind === "texts") return el("ol.texts", {}, set.lines.map((line) => el("li", {}, line)));
  if (set.kind === "rows") {
    return el("div.scroll", {}, el("table", {}, el("thead", {}, el("tr", {}, set.columns.map((c) => el("th", { scope: "col" }, c)))),
      el("tbody", {}, set.rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))));
  }
  const cells = Array.from({ length: set.count }, (_, i) => {
    const label = captions[i] ?? t("picture.n", { n: i + 1 });
    const canvas = picture(set, i, { size, label });
    const inside = onchoose ? el("button.cell", { type: "button", "aria-label": label, onclick: () => onchoose(i) }, canvas) : canvas;
    return captions.length ? el("figure", {}, inside, el("figcaption", {}, captions[i] ?? "")) : inside;
  });
  return el("div.grid", {}, cells);
}

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Points in the plane, in one or several colors. */
export function plane(sets, edge = null, size = 320) {
  const canvas = el("canvas.plane", { role: "img", "aria-label": t("points.label") });
  paintPlane(canvas, sets, edge, size);
  return canvas;
}

export function paintPlane(canvas, sets, edge = null, size = 320) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = size * scale; canvas.height = size * scale;
  canvas.style.width = `${size}px`; canvas.style.height = `${size}px`;
  const all = sets.flatMap((set) => set.points);
  const reach = edge ?? Math.max(1e-6, ...all.map((p) => Math.max(Math.abs(p[0]), Math.abs(p[1] ?? 0)))) * 1.1;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  for (const { points, color, radius = 1.6 } of sets) {
    context.fillStyle = css(color) || color;
    for (const [x, y = 0] of points) {
      context.beginPath();
      context.arc(size * (0.5 + x / reach / 2), size * (0.5 - y / reach / 2), radius, 0, 7);
      context.fill();
    }
  }
}
