// Inputs for jobs: resumable uploads, named by the SHA-256 of their content.

import { call, json } from "./api.js";
import { ago, busy, button, bytes, copyable, el, notice, span } from "./dom.js";
import { sha256OfFile } from "./sha256.js";

const PART = 4 * 1024 * 1024; // bytes of one request
const TRIES = 6;

export async function uploadsView(box, info, signal) {
  const running = el("div", { "aria-label": "Running uploads" });
  const choose = el("input", { type: "file", multiple: true, id: "file", class: "hidden-text", onchange: () => { add(choose.files); choose.value = ""; } });
  const drop = el("div", { class: "drop" },
    el("p", {}, "Drop files here, or"), el("label", { class: "button", for: "file" }, "Choose files"), choose,
    el("p", { class: "small quiet" }, "An interrupted upload continues when you choose the same file again."));
  const quota = el("div", { class: "quiet small" });
  const rows = el("div");
  box.append(el("h1", { tabindex: "-1" }, "Uploads"),
    el("section", { class: "card", "aria-label": "Upload files" },
      el("p", { class: "quiet" }, "Files that your jobs need as inputs. A job names an upload by its address, together with its SHA-256 and size."), drop, running),
    el("section", { class: "card", "aria-label": "Uploaded files" }, el("div", { class: "head" }, el("h2", {}, "At the provider"), quota), rows));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") add(event.dataTransfer.files);
    });
  }

  async function load() {
    const found = await json("/v1/uploads", { signal });
    quota.replaceChildren(el("label", {}, `${bytes(found.used_bytes)} of ${bytes(found.quota_bytes)} used `,
      el("progress", { max: found.quota_bytes, value: found.used_bytes })));
    rows.replaceChildren(...found.uploads.map((upload) => row(upload, load, signal)));
    if (!found.uploads.length) rows.append(el("p", { class: "empty" }, "No uploads."));
  }
  function add(files) {
    for (const file of files) running.prepend(upload(file, signal, load));
  }

  await load();
  return { refresh: null };
}

function row(upload, load, signal) {
  const address = `upload:${upload.sha256}`;
  const remove = button("Delete", () => busy(remove, async () => {
    await call(`/v1/uploads/${upload.sha256}`, { method: "DELETE", signal });
    await load();
  }), "", { "aria-label": `Delete upload ${upload.sha256.slice(0, 12)}` });
  const size = upload.whole ? bytes(upload.length) : `${bytes(upload.offset)} of ${bytes(upload.length)}, not complete`;
  return el("div", { class: "upload" }, el("div", { class: "head" }, el("span", {}, size, " ", el("span", { class: "quiet" }, ago(upload.modified_at))), remove),
    upload.whole ? copyable(address, "Address") : el("code", { class: "break quiet" }, address));
}

function upload(file, signal, load) {
  const bar = el("progress", { max: Math.max(1, file.size), value: 0, "aria-label": `Upload of ${file.name}` });
  const status = el("span", { class: "quiet small number", role: "status" });
  const stopping = new AbortController();
  signal.addEventListener("abort", () => stopping.abort(), { signal: stopping.signal });
  const cancel = button("Pause", () => stopping.abort());
  const element = el("div", { class: "upload" }, el("div", { class: "head" }, el("b", { class: "break" }, file.name), el("div", { class: "row" }, status, cancel)), bar);
  const show = (words, done) => { status.textContent = words; if (done !== undefined) bar.value = done; };

  (async () => {
    try {
      const sum = await sha256OfFile(file, (done) => show(`checking, ${Math.round((100 * done) / file.size)} %`, done), stopping.signal);
      await send(file, sum, show, stopping.signal);
      show(`complete, ${bytes(file.size)}`, Math.max(1, file.size));
      element.append(copyable(`upload:${sum}`, `Address of ${file.name}`));
      cancel.remove();
      await load();
    } catch (error) {
      cancel.remove();
      if (stopping.signal.aborted) show("paused: choose the file again to continue");
      else { show(error.message); status.className = "bad-text small"; notice(`${file.name}: ${error.message}`, "bad"); }
    }
  })();
  return element;
}

async function send(file, sum, show, signal) {
  const path = `/v1/uploads/${sum}`;
  let { offset, whole } = await arrived(path, signal);
  const began = { at: performance.now(), offset };
  for (let tries = 0; !whole;) {
    try {
      const headers = { "Upload-Offset": String(offset), "Upload-Length": String(file.size), "Content-Type": "application/offset+octet-stream" };
      const answer = await call(path, { method: "PATCH", headers, body: file.slice(offset, offset + PART), signal });
      ({ offset, whole } = state(answer));
      tries = 0;
      show(progress(offset, file.size, began), offset);
    } catch (error) {
      if (signal.aborted || ![0, 408, 409, 429, 500, 502, 503, 504].includes(error.status) || (tries += 1) > TRIES) throw error;
      show(`interrupted, trying again: ${error.message}`);
      await new Promise((done) => { setTimeout(done, 500 * 2 ** tries); });
      ({ offset, whole } = await arrived(path, signal).catch(() => ({ offset, whole })));
    }
  }
}

async function arrived(path, signal) {
  try {
    return state(await call(path, { method: "HEAD", signal }));
  } catch (error) {
    if (error.status === 404) return { offset: 0, whole: false };
    throw error;
  }
}

const state = ({ headers }) => ({ offset: Number(headers.get("Upload-Offset")), whole: headers.get("Upload-Complete") === "?1" });

function progress(offset, size, began) {
  const rate = (offset - began.offset) / Math.max(0.001, (performance.now() - began.at) / 1000);
  return `${bytes(offset)} of ${bytes(size)}, ${bytes(rate)}/s, ${span((size - offset) / Math.max(1, rate))} left`;
}
