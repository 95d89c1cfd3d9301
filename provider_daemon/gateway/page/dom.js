// Elements and words. Names and messages come from strangers: they only ever become text.

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const by = (id) => document.getElementById(id);

export function button(text, onclick, kind = "", more = {}) {
  return el("button", { type: "button", class: kind, onclick, ...more }, text);
}

export function notice(text, kind = "") {
  const close = button("Close", () => by("notice").replaceChildren(), "plain");
  by("notice").replaceChildren(...(text ? [el("div", { class: `notice ${kind}` }, el("span", {}, text), close)] : []));
}

// The button cannot be pressed again while its work runs, and what fails is shown.
export async function busy(pressed, work) {
  pressed.disabled = true;
  pressed.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") notice(error.message, "bad");
  } finally {
    pressed.disabled = false;
    pressed.removeAttribute("aria-busy");
  }
}

export function facts(...pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, shown.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function copyable(text, what) {
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(text);
    notice(`${what} copied.`, "good");
  }, "", { "aria-label": `Copy ${what}` });
  const field = el("input", { readonly: true, value: text, class: "mono", "aria-label": what, onfocus: () => field.select() });
  return el("div", { class: "row" }, el("div", { class: "grow" }, field), navigator.clipboard ? copy : null);
}

export const grouped = (number) => Number(number).toLocaleString("en").replaceAll(",", "\u202f");
export const short = (address) => (address.length > 20 ? `${address.slice(0, 8)}…${address.slice(-6)}` : address);

export function bytes(number) {
  let unit = 0;
  let value = number;
  const units = ["B", "kB", "MB", "GB", "TB"];
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

const UNITS = [["day", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// "1 h 30 min"; with `units` = 1 only the largest unit.
export function span(seconds, units = 2) {
  const parts = [];
  let left = Math.max(0, Math.floor(seconds));
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count) parts.push(`${count} ${unit === "day" && count > 1 ? "days" : unit}`);
    else if (parts.length) break;
  }
  return parts.slice(0, units).join(" ") || "0 s";
}

export function when(seconds) {
  const date = new Date(seconds * 1000);
  const text = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return el("time", { datetime: date.toISOString(), title: date.toISOString() }, text);
}

export function ago(seconds) {
  const age = Date.now() / 1000 - seconds;
  const text = age < 0 ? `in ${span(-age, 1)}` : `${span(age, 1)} ago`;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return el("span", {}, "at no date");  // a job sets any time it likes
  return el("time", { datetime: date.toISOString(), title: date.toLocaleString() }, text);
}
