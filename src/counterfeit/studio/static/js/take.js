// A participant: two pictures, a choice, the next two.
import { t, post, el, main, button } from "./core.js";

const key = location.pathname.split("/").pop();
const api = location.pathname.startsWith("/take/") && document.querySelector("meta[name=csrf]").content ? "/api/take" : "/take";
let ticket = sessionStorage.getItem(`study ${key}`);
let busy = false, current = null, timer = null;

function failed(error) {
  main.replaceChildren(el("h1", {}, t("title.take")), el("p.bad", { role: "alert" }, error.message), button(t("take.again"), () => next().catch(failed)));
}

function begin() {
  main.replaceChildren(el("h1", {}, t("title.take")), el("p", {}, t("take.about")), el("p", {}, t("take.keys")),
    button(t("take.begin"), async () => {
      try {
        ({ ticket } = await post(`${api}/${key}/join`));
        sessionStorage.setItem(`study ${key}`, ticket);
        await next();
      } catch (error) { failed(error); }
    }, "primary"));
}

const loaded = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(t("error.unreachable"));
  const image = new Image();
  image.src = URL.createObjectURL(await response.blob());
  await image.decode();
  return image;
};

async function next() {
  const found = await post(`${api}/${key}/next`, { ticket });
  if (found.done) {
    sessionStorage.removeItem(`study ${key}`);
    main.replaceChildren(el("h1", {}, t("title.take")), el("p", {}, t("take.thanks")));
    return;
  }
  current = found;
  const place = (side) => `${api}/${key}/${ticket}/${found.number}/${side}/${found[side]}`;
  const images = await Promise.all([loaded(place("left")), loaded(place("right"))]);
  const sides = ["left", "right"].map((side, i) => {
    images[i].alt = t(`take.${side}`);
    images[i].className = "pixels";
    return el("button.choice-picture", { type: "button", "aria-label": t(`take.${side}`), onclick: () => answer(side) }, images[i]);
  });
  const bar = found.seconds ? el("progress", { max: found.seconds, value: found.seconds, "aria-label": t("take.time") }) : null;
  main.replaceChildren(el("h1", {}, t(`take.question.${found.kind}`)), el("p", {}, t("take.number", { number: found.number + 1, of: found.of })), bar ?? "", el("div.pair", {}, sides));
  clearInterval(timer);
  if (bar) {
    const end = performance.now() + 1000 * found.seconds;
    timer = setInterval(() => {
      bar.value = Math.max(0, (end - performance.now()) / 1000);
      if (performance.now() >= end) answer("late");
    }, 100);
  }
  busy = false;
}

async function answer(choice) {
  if (busy || !current) return;
  busy = true;
  clearInterval(timer);
  try {
    await post(`${api}/${key}/answer`, { ticket, number: current.number, choice });
    await next();
  } catch (error) { busy = false; failed(error); }
}

document.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") answer("left");
  if (event.key === "ArrowRight") answer("right");
});
if (ticket) next().catch(() => { sessionStorage.removeItem(`study ${key}`); begin(); });
else begin();
