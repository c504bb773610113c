// Curves, by uPlot.
import { el, number } from "./core.js";
import { css } from "./show.js";

const COLORS = ["series1", "series2", "series3", "series4", "series5", "series6"];

/** A plot of several curves over steps: `series` is [{label, x: [], y: []}]. Returns {element, set(series)}. */
export function curves(title, { height = 220, log = false } = {}) {
  const element = el("figure.plot", { "aria-label": title }, el("figcaption", {}, title));
  const holder = el("div.plot-area", { role: "img", "aria-label": title });
  holder.style.minHeight = `${height + 40}px`;
  element.append(holder);
  let plot = null;
  let labels = "";

  function set(series) {
    const xs = [...new Set(series.flatMap((one) => one.x))].sort((a, b) => a - b);
    const place = new Map(xs.map((x, i) => [x, i]));
    const columns = series.map((one) => {
      const column = new Array(xs.length).fill(null);
      one.x.forEach((x, i) => { column[place.get(x)] = one.y[i]; });
      return column;
    });
    const named = series.map((one) => one.label).join("\n");
    const width = Math.max(240, holder.clientWidth || element.clientWidth || 480);
    if (plot && named === labels) {
      if (Math.abs(plot.width - width) > 2) plot.setSize({ width, height });
      plot.setData([xs, ...columns]);
      return;
    }
    plot?.destroy();
    labels = named;
    const ink = css("ink"), faint = css("line");
    const axis = { stroke: ink, grid: { stroke: faint, width: 1 }, ticks: { stroke: faint }, font: "12px system-ui" };
    plot = new window.uPlot({
      width, height, scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
      axes: [axis, { ...axis, size: 62, values: (_, values) => values.map((v) => (v === null ? "" : number(v, 3))) }],
      series: [{ label: "step", value: (_, v) => (v === null ? "–" : number(v, 8)) }, ...series.map((one, i) => ({
        label: one.label, stroke: css(COLORS[i % COLORS.length]), width: 1.6, spanGaps: true, points: { show: xs.length < 3 },
        dash: i >= COLORS.length ? [6, 4] : undefined, value: (_, v) => number(v),
      }))],
    }, [xs, ...columns], holder);
  }

  new ResizeObserver(() => {
    if (plot && holder.clientWidth > 240 && Math.abs(plot.width - holder.clientWidth) > 2) plot.setSize({ width: holder.clientWidth, height });
  }).observe(holder);
  return { element, set };
}

/** Rows of a log, [{step, name: value}], as series of the names that are chosen. */
export function seriesOf(rows, names) {
  return names.map((name) => {
    const having = rows.filter((row) => typeof row[name] === "number");
    return { label: name, x: having.map((row) => row.step), y: having.map((row) => row[name]) };
  });
}
