// The files of a job: browse, download one, download all.

import { call, currentLogin, encoded, filePath, jobPath, json, may } from "./api.js";
import { ago, busy, button, bytes, el, notice } from "./dom.js";

const DOWNLOAD_SECONDS = 3600; // of the link that the browser's own download uses; long enough to resume

export function filesSection(id, signal) {
  const crumbs = el("ol", { class: "crumbs" });
  const trail = el("nav", { "aria-label": "Directory" }, crumbs);
  const rows = el("tbody");
  const table = el("table", { class: "stack" }, el("caption", { class: "hidden-text" }, "Files of the job"),
    el("thead", {}, el("tr", {}, ["Name", "Size", "Changed"].map((name) => el("th", { scope: "col" }, name)))), rows);
  const empty = el("p", { class: "quiet" });
  const more = button("More files", () => busy(more, () => load(false)), "", { hidden: true });
  const reload = button("Refresh", () => busy(reload, () => load(true)), "plain");
  const all = [["All files (.tar)", "tar"], ["Compressed (.tar.zst)", "tar.zst"]].map(([text, format]) => {
    const pressed = button(text, () => busy(pressed, () => download(id, `${jobPath(id)}/archive?format=${format}`, `${id}.${format}`, signal)));
    return pressed;
  });
  const manifest = button("Manifest", () => busy(manifest, () => fetched(`${jobPath(id)}/manifest`, `${id}.manifest.txt`, signal)), "", { hidden: true });
  const element = el("section", { class: "card", "aria-label": "Files" },
    el("div", { class: "head" }, el("h2", {}, "Files"), el("div", { class: "row wide" }, all, manifest, reload)),
    trail, table, empty, more);
  let directory = "";
  let last = "";
  let state = "";

  async function load(fresh) {
    if (fresh) last = "";
    let found;
    try {
      found = await json(`${jobPath(id)}/files?prefix=${encoded(directory)}&after=${encoded(last)}`, { signal });
    } catch (error) {
      if (!["not_started", "results_deleted", "not_found"].includes(error.code)) throw error;
      show([], error.code === "not_started" ? "The job has no files yet." : error.message, true);
      return;
    }
    if (found.files.length) last = found.files.at(-1).path;
    show(found.files, "This directory is empty.", fresh);
    more.hidden = !found.more;
  }

  function show(files, nothing, fresh) {
    const made = files.map(row);
    if (fresh) rows.replaceChildren(...made); else rows.append(...made);
    table.hidden = !rows.children.length;
    empty.textContent = table.hidden ? nothing : "";
    trail.hidden = !directory;
    crumbs.replaceChildren(...steps());
    empty.hidden = !table.hidden;
  }

  function steps() {
    const names = directory ? directory.split("/") : [];
    return [id, ...names].map((name, depth) => {
      if (depth === names.length) return el("li", { "aria-current": "location" }, name);
      return el("li", {}, button(name, () => open(names.slice(0, depth).join("/")), "link"));
    });
  }

  async function open(path) {
    directory = path;
    await load(true).catch((error) => notice(error.message, "bad"));
    (rows.querySelector("button") || reload).focus();
  }

  // The browser shows no reason for a download that fails, so the file is asked for before.
  async function one(path, name) {
    await call(filePath(id, path), { method: "HEAD", signal });
    await download(id, filePath(id, path), name, signal);
  }

  function row({ path, kind, size, modified_at: changed }) {
    const raw = path.slice(path.lastIndexOf("/") + 1);
    const name = raw.toWellFormed ? raw.toWellFormed() : raw;
    let first = el("span", { class: "quiet", title: "Links and special files cannot be downloaded" }, name);
    if (kind === "directory") first = button(`${name}/`, () => open(path), "link");
    if (kind === "file") {
      const pressed = button(name, () => busy(pressed, () => one(path, name)), "link", { "aria-label": `Download ${name}` });
      first = pressed;
    }
    return el("tr", {}, el("td", {}, first), el("td", { class: "quiet number" }, kind === "file" ? bytes(size) : ""), el("td", { class: "quiet" }, ago(changed)));
  }

  function update(job) {
    const now = `${job.directory} ${job.state} ${job.results && job.results.root}`;
    manifest.hidden = !(job.results && job.results.root);
    all.forEach((pressed) => { pressed.disabled = job.directory !== "there"; });
    if (now === state) return;
    state = now;
    load(true).catch((error) => notice(error.message, "bad"));
  }

  return { element, update };
}

// The browser's own download writes to the disk and resumes, but sends no header: it gets a link to this one job.
export async function download(id, path, name, signal) {
  let token = currentLogin().job ? currentLogin().token : "";
  if (!token && may("delegate")) {
    token = (await json(`${jobPath(id)}/links`, { method: "POST", body: { seconds: DOWNLOAD_SECONDS }, signal })).token;
  }
  if (!token) return fetched(path, name, signal);
  save(`${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}`, name);
  notice(`The download of ${name} has started.`, "good");
  return undefined;
}

async function fetched(path, name, signal) {
  const content = URL.createObjectURL(await (await call(path, { signal })).blob());
  save(content, name);
  setTimeout(() => URL.revokeObjectURL(content), 60_000);
}

function save(address, name) {
  const link = el("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}
