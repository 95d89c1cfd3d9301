// One job: its state, price, log, files and links.

import { json, jobPath, may } from "./api.js";
import { ago, bytes, button, busy, copyable, el, facts, grouped, span, when } from "./dom.js";
import { filesSection } from "./files.js";
import { pill } from "./jobs.js";
import { logSection } from "./log.js";

const PERIOD = 5_000;
const WAITS = {
  too_expensive: "The provider does not run this job: reporting it would cost more than the site allows. Cancel it to get your escrow back.",
  not_on_chain: "The chain has no such job at the moment. The provider waits.",
};
const INPUTS = { waiting: "being fetched", ready: "ready", failed: "failed" };
const DELIVERY = { waiting: "in progress", done: "delivered", failed: "failed" };

export async function jobView(box, id, info, signal) {
  const title = el("h1", { tabindex: "-1" }, id);
  const state = el("div", { class: "row", role: "status" });
  const overview = el("section", { class: "card", "aria-label": "Facts" });
  const price = el("section", { class: "card", "aria-label": "Price" });
  const share = may("delegate") ? button("Share", () => shareDialog(id, signal)) : null;
  box.append(el("div", { class: "head" }, el("div", { class: "row" }, title, state), share));

  let job = await json(jobPath(id), { signal });
  let drawn = "";
  const log = may("files") ? logSection(id, signal) : null;
  const files = may("files") ? filesSection(id, signal) : null;
  box.append(el("div", { class: "two" }, overview, price), ...[log, files].filter(Boolean).map((part) => part.element));

  function draw() {
    const text = JSON.stringify(job);
    if (text === drawn) return;
    drawn = text;
    document.title = `${id}: ${job.state}`;
    state.replaceChildren(pill(job.state), ...stateWords(job));
    overview.replaceChildren(el("h2", {}, "Job"), ...overviewOf(job, info));
    price.replaceChildren(el("h2", {}, "Price"), ...priceOf(job));
    if (files) files.update(job);
  }
  draw();
  return { period: PERIOD, refresh: async () => { job = await json(jobPath(id), { signal }); draw(); }, stop: log && log.stop };
}

function stateWords(job) {
  const words = [];
  if (job.exit_code !== null && job.exit_code !== undefined) words.push(`exit code ${job.exit_code}`);
  if (job.chain_state !== job.state) words.push(`on chain: ${job.chain_state}`);
  return words.map((text) => el("span", { class: "quiet" }, text));
}

function overviewOf(job, info) {
  const cluster = info.clusters.find(({ id }) => id === job.cluster);
  const parts = [];
  if (job.waits_for) parts.push(el("p", { class: "warn" }, WAITS[job.waits_for] || "The provider's operator has to look at this job before it continues."));
  if (job.message) parts.push(el("p", { class: "break" }, job.message));
  parts.push(facts(
    ["Program", el("code", { class: "break" }, [job.image, job.command, ...(job.arguments || [])].filter(Boolean).join(" "))],
    ["Cluster", cluster ? `${cluster.name} (${job.cluster})` : job.cluster],
    ["Resources", resources(job)],
    ["Submitted", when(job.created_at)],
    ["Started", job.started_at ? when(job.started_at) : ""],
    ["Inputs", job.inputs ? inputs(job.inputs) : ""],
    ["Results", results(job)],
    ["Delivery", delivery(job.results)],
    ["Kept until", keptUntil(job)]));
  if (job.data_mover === "unavailable") parts.push(el("p", { class: "small quiet" }, "The state of inputs and results is not available at the moment."));
  return parts;
}

function resources({ resources: asked, max_runtime_seconds: limit }) {
  const per = [asked.cpus_per_node && `${asked.cpus_per_node} cores`, asked.memory_gb_per_node && `${asked.memory_gb_per_node} GB memory`,
    asked.gpus_per_node && `${asked.gpus_per_node} GPUs${asked.gpu_type ? ` (${asked.gpu_type})` : ""}`].filter(Boolean).join(", ");
  const nodes = asked.nodes === 1 ? "1 node" : `${asked.nodes} nodes`;
  return `${nodes}${per ? (asked.nodes === 1 ? `: ${per}` : ` with ${per} each`) : ""}; at most ${span(limit)}`;
}

const inputs = ({ state, detail, bytes: moved }) => `${INPUTS[state] || state}${moved ? `, ${bytes(moved)}` : ""}${detail ? `: ${detail}` : ""}`;

function results({ results: found }) {
  if (!found || !found.root) return found && found.detail ? found.detail : "";
  const count = found.files === 1 ? "1 file" : `${grouped(found.files)} files`;
  return el("span", {}, `${count}, ${bytes(found.bytes)}`, el("br"), el("span", { class: "small quiet" }, "manifest ", el("code", { class: "break" }, found.root)));
}

function delivery(found) {
  if (!found || !found.delivery || found.delivery.state === "none") return "";
  const { state, detail } = found.delivery;
  return `${DELIVERY[state] || state}${detail ? `: ${detail}` : ""}`;
}

function keptUntil(job) {
  if (job.directory === "deleted") return "the files are deleted";
  return job.expires_at ? el("span", {}, when(job.expires_at), el("span", { class: "quiet" }, " (", ago(job.expires_at), ")")) : "";
}

const PARTS = { cpu: "Cores", memory: "Memory", gpu: "GPUs", storage: "Storage", network: "Network", node: "Nodes" };

function priceOf({ bill, usage, ended, final_report: report }) {
  if (!bill) return [el("p", { class: "quiet" }, ended ? "The bill is computed when the usage is known." : "You pay for what the job uses. The bill is computed when the job has ended.")];
  const lines = Object.entries(PARTS).filter(([part]) => bill[part]).map(([part, name]) =>
    el("tr", {}, el("td", {}, name), el("td", { class: "right number" }, grouped(bill[part]))));
  return [
    el("p", {}, el("span", { class: "total number" }, grouped(bill.total)), " ", bill.denom),
    el("details", {}, el("summary", {}, "How it is computed"),
      el("table", {}, el("caption", { class: "hidden-text" }, `Parts of the bill in ${bill.denom}`), el("tbody", {}, lines,
        el("tr", {}, el("td", {}, "Sum of the parts"), el("td", { class: "right number" }, grouped(bill.subtotal))),
        el("tr", {}, el("td", {}, el("b", {}, "Total, after discounts and the minimum charge")), el("td", { class: "right number" }, el("b", {}, grouped(bill.total)))))),
      el("p", { class: "small quiet" }, "Computed from the reported usage with the chain's default prices. What is paid is in the chain's accounting.")),
    usage ? facts(["Time", span(usage.wall_clock_seconds)], ["Cores", `${grouped(usage.cpu_core_seconds)} core seconds`], ["Memory", `${grouped(usage.memory_gb_seconds)} GB seconds`],
      ["GPUs", usage.gpu_seconds ? `${grouped(usage.gpu_seconds)} GPU seconds` : ""], ["Storage", usage.storage_gb_hours ? `${grouped(usage.storage_gb_hours)} GB hours` : ""],
      ["Network", usage.network_bytes_in || usage.network_bytes_out ? `${bytes(usage.network_bytes_in)} in, ${bytes(usage.network_bytes_out)} out` : ""]) : null,
    report ? el("p", { class: "small quiet break" }, "Signed evidence is in the transaction ", el("code", {}, report)) : null,
  ].filter(Boolean);
}

const LIVES = [["1 hour", 3600], ["1 day", 86400], ["7 days", 604800]];

function shareDialog(id, signal) {
  const life = el("select", { id: "life" }, LIVES.map(([text, seconds]) => el("option", { value: seconds }, text)));
  const made = el("div", { class: "card", hidden: true });
  const create = el("button", { class: "first" }, "Make the link");
  const dialog = el("dialog", { "aria-labelledby": "share-title", onclose: () => dialog.remove() },
    el("form", { method: "dialog", onsubmit: (event) => {
      if (event.submitter !== create) return;
      event.preventDefault();
      busy(create, async () => {
        const link = await json(`${jobPath(id)}/links`, { method: "POST", body: { seconds: Number(life.value) }, signal });
        made.replaceChildren(copyable(link.page || link.url, "Link"), el("p", { class: "small quiet" }, "Valid until ", when(link.expires_at)));
        made.hidden = false;
      });
    } },
      el("h2", { id: "share-title" }, `Share ${id}`),
      el("p", {}, "Anybody with the link can read this one job, its log and its files until the link expires. It cannot be withdrawn."),
      el("div", { class: "row" }, el("label", { for: "life" }, "Valid for"), life), made,
      el("div", { class: "row" }, create, el("button", { value: "close" }, "Close"))));
  document.body.append(dialog);
  dialog.showModal();
}

