// The list of the customer's jobs.

import { currentLogin, json } from "./api.js";
import { ago, busy, button, el } from "./dom.js";

export const STATES = {
  pending: "waiting", queued: "in the queue", running: "running", completed: "completed", failed: "failed", cancelled: "cancelled", timeout: "time limit reached",
};
export const pill = (state) => el("span", { class: `pill ${state in STATES ? state : ""}` }, STATES[state] || state);
export const jobLink = (id, text = id) => el("a", { href: `#job=${encodeURIComponent(id)}` }, text);

const PERIOD = 10_000;

export async function jobsView(box, info, signal) {
  const rows = el("tbody");
  const table = el("table", { class: "stack", hidden: true },
    el("caption", { class: "hidden-text" }, "Your jobs, newest first"),
    el("thead", {}, el("tr", {}, ["Job", "State", "Cluster", "Submitted"].map((name) => el("th", { scope: "col" }, name)))),
    rows);
  const empty = el("div", { class: "empty", hidden: true }, el("p", {}, "No jobs of your account here yet."));
  const unreadable = el("p", { class: "warn", hidden: true });
  const more = button("Older jobs", () => busy(more, older), "", { hidden: true });
  box.append(el("div", {}, el("h1", { tabindex: "-1" }, "Your jobs"), el("p", { class: "quiet mono break" }, currentLogin().address)),
    el("section", { class: "card", "aria-label": "Jobs" }, table, empty, unreadable, more));

  const names = Object.fromEntries(info.clusters.map(({ id, name }) => [id, name]));
  const shown = new Map(); // number -> job
  let last = true;
  let drawn = "";

  function draw() {
    const jobs = [...shown.values()].sort((a, b) => b.number - a.number);
    const text = JSON.stringify(jobs);
    if (text === drawn) return;
    drawn = text;
    const focused = rows.contains(document.activeElement) ? document.activeElement.textContent : "";
    rows.replaceChildren(...jobs.map((job) => row(job, names)));
    for (const link of rows.querySelectorAll("a")) if (focused && link.textContent === focused) link.focus();
    table.hidden = !jobs.length;
    empty.hidden = Boolean(jobs.length);
    more.hidden = last;
  }
  async function load(after) {
    const found = await json(`/v1/jobs?limit=50${after ? `&after=${after}` : ""}`, { signal });
    found.jobs.forEach((job) => shown.set(job.number, job));
    if (after || shown.size <= found.jobs.length) last = !found.more;
    unreadable.textContent = found.unreadable.length ? `The gateway cannot read ${found.unreadable.join(", ")}. Ask the provider about it.` : "";
    unreadable.hidden = !found.unreadable.length;
    draw();
  }
  async function older() { await load(Math.min(...shown.keys())); }

  await load(0);
  return { period: PERIOD, refresh: () => load(0) };
}

function row(job, names) {
  const exit = job.exit_code ? el("span", { class: "quiet small" }, ` exit code ${job.exit_code}`) : null;
  return el("tr", {},
    el("td", {}, jobLink(job.id)),
    el("td", {}, pill(job.state), exit),
    el("td", { class: "quiet" }, names[job.cluster] || job.cluster),
    el("td", { class: "quiet" }, ago(job.created_at)));
}
