// The page: which view is shown, and what it is refreshed with.

import { currentLogin, json, logout, may, onLogout } from "./api.js";
import { by, el, notice, short } from "./dom.js";
import { jobView } from "./job.js";
import { jobsView } from "./jobs.js";
import { loginView, withLink } from "./login.js";
import { offersView } from "./offers.js";
import { uploadsView } from "./uploads.js";

let info = null;
let leaving = new AbortController();
let timer = 0;
let lost = false;

const route = () => new URLSearchParams(location.hash.slice(1));

async function show() {
  leaving.abort();
  clearTimeout(timer);
  leaving = new AbortController();
  const { signal } = leaving;
  const box = el("div", { class: "view" });
  frame();
  by("main").replaceChildren(...box.childNodes);
  try {
    const view = await chosen(by("main"), signal);
    if (signal.aborted) return;
    const title = by("main").querySelector("h1");
    if (title) title.focus({ preventScroll: true });
    scrollTo(0, 0);
    if (view && view.refresh) refreshed(view, signal);
  } catch (error) {
    if (signal.aborted) return;
    by("main").append(el("section", { class: "card" }, el("h1", { tabindex: "-1" }, "This did not work"), el("p", {}, error.message),
      el("p", {}, el("a", { href: home() }, "Back to your jobs"))));
  }
}

function chosen(main, signal) {
  const at = route();
  const login = currentLogin();
  document.title = "Your jobs";
  if (at.has("offers")) return offersView(main, info, signal);
  if (!login) return loginView(main, info, show);
  if (at.get("job")) return jobView(main, at.get("job"), info, signal);
  if (login.job) { location.replace(home()); return undefined; }
  if (at.has("uploads")) return uploadsView(main, info, signal);
  return jobsView(main, info, signal);
}

const home = () => (currentLogin() && currentLogin().job ? `#job=${encodeURIComponent(currentLogin().job)}` : "#jobs");

// What the view shows stays while the gateway does not answer; the page says so once.
function refreshed(view, signal) {
  timer = setTimeout(async () => {
    try {
      if (!document.hidden) await view.refresh();
      if (lost) notice("");
      lost = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!lost) notice(`This page is not up to date: ${error.message}`, "bad");
      lost = true;
    }
    if (!signal.aborted) refreshed(view, signal);
  }, view.period);
}

function frame() {
  const login = currentLogin();
  const at = route();
  by("who").hidden = !login;
  by("nav").hidden = Boolean(login && login.job);
  document.querySelector("[data-page=jobs]").hidden = !login;
  document.querySelector("[data-page=uploads]").hidden = !may("upload");
  document.querySelector(".brand").setAttribute("href", home());
  const page = at.has("offers") ? "offers" : at.has("uploads") ? "uploads" : "jobs";
  for (const link of by("nav").children) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!login) return;
  by("account").textContent = login.job ? `link to ${login.job}` : short(login.address);
  by("account").title = login.address;
}

function facts() {
  const words = [["Chain", info.chain_id], ["Provider", info.providers.map(short).join(", ")], ["Clusters", info.clusters.map(({ name }) => name).join(", ")], ["provd", info.version]];
  by("facts").replaceChildren(...words.filter(([, value]) => value).map(([name, value]) => el("span", {}, `${name} ${value}`)));
}

async function begin() {
  by("host").textContent = location.host;
  try {
    info = await json("/v1/info", { anonymous: true });
  } catch (error) {
    by("main").replaceChildren(el("section", { class: "card" }, el("h1", {}, "The gateway does not answer"), el("p", {}, error.message)));
    setTimeout(begin, 5000);
    return;
  }
  facts();
  await opened();
  show();
}

// A link to one job brings its token in the fragment, which no server sees; it does not stay in the address.
async function opened() {
  const at = route();
  if (!at.get("token")) return;
  history.replaceState(null, "", `#job=${encodeURIComponent(at.get("job") || "")}`);
  try {
    await withLink(at.get("token"), at.get("job"));
  } catch (error) {
    logout();
    notice(error.message, "bad");
  }
}

by("logout").addEventListener("click", () => logout("You are logged out."));
onLogout((reason) => {
  if (reason) notice(reason);
  if (location.hash && location.hash !== "#jobs") location.hash = "#jobs"; else show();
});
addEventListener("hashchange", async () => { await opened(); show(); });
// The wallet's owner chose another account: the login is still the first one's.
addEventListener("keplr_keystorechange", () => { if (currentLogin() && !currentLogin().job) logout("The wallet uses another account now. Log in again."); });
begin();
