// A job's output as it is written. The connection is made again where it was interrupted.

import { call, events, filePath, jobPath } from "./api.js";
import { bytes, button, el } from "./dom.js";

const STREAMS = { output: ["Output", "output.txt"], error: ["Errors", "error.txt"] };
const FIRST = 256 * 1024; // bytes of an existing log that are shown; all of it can be downloaded
const MOST = 2_000_000; // characters on the page

export function logSection(id, signal) {
  const text = el("pre", { class: "log", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Log", "data-empty": "Nothing was written yet." });
  const status = el("span", { class: "quiet small", id: "log-status" });
  const cut = el("p", { class: "quiet small", hidden: true });
  const follow = el("input", { type: "checkbox", checked: true });
  const tabs = Object.entries(STREAMS).map(([name, [title]]) => button(title, () => choose(name), "", { "data-stream": name, "aria-pressed": "false" }));
  const element = el("section", { class: "card", "aria-label": "Log" },
    el("div", { class: "head" }, el("h2", {}, "Log"), el("div", { class: "row" }, el("div", { class: "row", role: "group", "aria-label": "Which log" }, tabs),
      el("label", { class: "check" }, follow, "Scroll along"))),
    text, el("div", { class: "head" }, status, cut));
  let reading = null;

  function choose(name) {
    if (reading) reading.abort();
    reading = new AbortController();
    signal.addEventListener("abort", () => reading.abort(), { signal: reading.signal });
    tabs.forEach((tab) => tab.setAttribute("aria-pressed", String(tab.dataset.stream === name)));
    text.replaceChildren();
    text.setAttribute("aria-label", `Log: ${STREAMS[name][0]}`);
    cut.hidden = true;
    read(name, reading.signal);
  }

  async function read(name, stop) {
    let offset = await start(name, stop);
    for (let wait = 1; !stop.aborted; wait = Math.min(wait * 2, 30)) {
      let ended = false;
      try {
        status.textContent = "Connected: new lines appear here.";
        await events(`${jobPath(id)}/log?stream=${name}&follow=1`, offset, stop, (event) => {
          if (event.id !== undefined && !Number.isNaN(event.id)) offset = event.id;
          if (event.name === "log") { append(JSON.parse(event.data)); wait = 1; }
          if (event.name === "end") ended = true;
        });
      } catch (error) {
        if (stop.aborted) return;
        if (error.status >= 400 && error.status < 500 && error.status !== 429) { status.textContent = error.message; return; }
      }
      if (stop.aborted) return;
      if (ended) { status.textContent = "The job has ended: this is all of it."; return; }
      status.textContent = `The connection was interrupted. Connecting again in ${wait} s.`;
      await pause(wait * 1000, stop);
    }
  }

  // A long log begins near its end.
  async function start(name, stop) {
    try {
      const answer = await call(filePath(id, STREAMS[name][1]), { method: "HEAD", signal: stop });
      const skipped = Number(answer.headers.get("Content-Length")) - FIRST;
      if (skipped > 0) { note(`The first ${bytes(skipped)} are not shown here. Download ${STREAMS[name][1]} to read all of it.`); return skipped; }
    } catch { /* the log does not exist yet */ }
    return 0;
  }

  function note(words) { cut.textContent = words; cut.hidden = false; }

  function append(piece) {
    text.append(readable(piece));
    let over = text.textContent.length - MOST;
    if (over > 0) note(`Earlier lines are not shown here. Download the file to read all of it.`);
    while (over > 0 && text.childNodes.length > 1) { over -= text.firstChild.data.length; text.firstChild.remove(); }
    if (follow.checked) text.scrollTop = text.scrollHeight;
  }

  choose("output");
  return { element, stop: () => reading.abort() };
}

// Without the sequences that colour a terminal; a carriage return begins a line.
const readable = (piece) => piece.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, "").replace(/\r\n?/g, "\n");

const pause = (time, stop) => new Promise((done) => {
  const timer = setTimeout(done, time);
  stop.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});
