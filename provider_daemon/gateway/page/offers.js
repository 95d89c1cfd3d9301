// What the provider sells: queues with their prices, what runs, maintenance, and what is free. No login needed.

import { json } from "./api.js";
import { ago, el, facts, grouped, span, when } from "./dom.js";

const PERIOD = 60_000;
const RATES = {
  cpu_core_hour: "core-hour", memory_gb_hour: "GB-hour of memory", gpu_hour: "GPU-hour", storage_gb_hour: "GB-hour of storage", network_gb: "GB of network", node_hour: "node-hour",
};

export async function offersView(box, info, signal) {
  document.title = "Offers";
  const parts = el("div");
  box.append(el("h1", { tabindex: "-1" }, "Offers"), parts);
  async function load() {
    const found = await Promise.all(info.clusters.map(async ({ id, name }) => cluster(name, id, await published(id, signal))));
    parts.replaceChildren(...found);
  }
  await load();
  return { period: PERIOD, refresh: load };
}

async function published(id, signal) {
  try {
    return await json(`/v1/clusters/${encodeURIComponent(id)}/catalogue`, { anonymous: true, signal });
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

function cluster(name, id, found) {
  const title = el("h2", {}, `Cluster ${name} (${id})`);
  if (!found) return el("section", { class: "card" }, title, el("p", {}, "The provider has published no catalogue of this cluster yet."));
  const { catalogue, availability } = found;
  return el("section", { class: "card", "aria-label": `Cluster ${name}` }, title,
    catalogue.maintenance.map((window) => el("p", { class: "warn" }, "Maintenance from ", when(window.starts_at), " to ", when(window.ends_at), window.reason ? `: ${window.reason}` : "", window.nodes_left ? ` (${window.nodes_left} nodes run jobs meanwhile)` : "")),
    facts(
      ["Free now", [free(availability), " ", el("span", { class: "quiet" }, ago(availability.as_of))]],
      ["Software", catalogue.software.join(", ")],
      ["GPU types", catalogue.gpu_types.join(", ")],
      ["Images", images(catalogue.images)],
      ["Templates", catalogue.templates.map((each) => `${each.template_id} (${each.name} ${each.version})`).join(", ")],
      ["Limits of a job", limits(catalogue.limits)],
      ["Contact", catalogue.contact],
      ["Terms", catalogue.terms],
      ["Gateway", catalogue.gateway]),
    catalogue.offerings.map((each) => offering(each, availability.waits)));
}

function offering(each, waits) {
  const rows = each.queues.map((queue) => el("tr", {},
    el("td", {}, queue.name),
    el("td", {}, queue.max_nodes ? grouped(queue.max_nodes) : "no limit"),
    el("td", {}, queue.max_runtime_seconds ? span(queue.max_runtime_seconds) : "no limit"),
    el("td", {}, waited(waits.find((wait) => wait.queue === queue.name))),
    el("td", {}, rates(queue.rates, each.currency))));
  return el("div", {}, el("h3", {}, each.offering_id),
    facts(
      ["Own programs", each.custom_programs ? "yes" : "no, prepared workloads only"],
      ["Workloads", each.workloads.join(", ")],
      ["Least price of a job", each.minimum_charge ? `${each.minimum_charge} ${each.currency}` : ""],
      ["Identity score", each.identity_threshold || ""]),
    el("table", { class: "stack" }, el("caption", { class: "hidden-text" }, `Queues of ${each.offering_id}`),
      el("thead", {}, el("tr", {}, ["Queue", "Most nodes", "Longest job", "Wait", "Price"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows)));
}

const rates = (found, currency) => Object.entries(found).map(([name, amount]) => el("div", {}, `${amount} ${currency} a ${RATES[name] || name.replace("gpu_hour_", "GPU-hour of ")}`));
const waited = (wait) => (wait ? `half of ${grouped(wait.jobs)} jobs waited up to ${span(wait.median_seconds)}` : "no jobs in the last week");
const images = (found) => found.map((each) => `${each.pattern}${each.launcher ? ` (in ${each.launcher}${each.network ? "" : ", without network"})` : ""}`).join(", ");
const free = (now) => [`${now.nodes_free} of ${now.nodes_usable} nodes`, `${grouped(now.cpus_free)} cores`, `${grouped(now.memory_gb_free)} GB of memory`,
  ...Object.entries(now.gpus_free).map(([type, count]) => `${count} GPUs ${type}`.trim())].join(", ");

function limits(most) {
  const words = [["max_nodes", "nodes"], ["max_cpus_per_node", "cores a node"], ["max_memory_gb_per_node", "GB of memory a node"], ["max_gpus_per_node", "GPUs a node"]];
  const found = words.filter(([name]) => most[name]).map(([name, word]) => `${grouped(most[name])} ${word}`);
  return [...found, ...(most.max_runtime_seconds ? [span(most.max_runtime_seconds)] : [])].join(", ");
}
