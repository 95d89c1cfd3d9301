// Log in: with a browser wallet that has Keplr's interface, with a token, or by a link to one job.

import { call, json, keepLogin } from "./api.js";
import { busy, button, el, notice } from "./dom.js";

const wallet = () => window.keplr || window.leap;

export async function loginView(box, info, done) {
  const field = el("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "token-hint" });
  const connect = button("Connect wallet", () => busy(connect, async () => { await withWallet(info); done(); }), "first fill", { id: "connect" });
  const none = el("p", { class: "small warn", id: "no-wallet", hidden: true }, "No wallet was found in this browser. Install Keplr or a wallet that is compatible with it, or use a token.");
  setTimeout(() => { none.hidden = Boolean(wallet()); }, 1000); // wallets come into the page a little later than its own scripts
  const send = el("button", { class: "fill" }, "Log in with the token");
  const form = el("form", { class: "card", onsubmit: (event) => {
    event.preventDefault();
    busy(send, async () => { await withToken(field.value.trim()); done(); });
  } },
    el("h2", {}, "Token"),
    el("p", { class: "quiet", id: "token-hint" }, "A token that you made with the VirtEngine SDK for this provider, or the text of a link."),
    el("label", { for: "token" }, "Token"), field, send);
  box.append(el("div", { class: "login" },
    el("div", {},
      el("h1", { tabindex: "-1" }, "Your jobs at this provider"),
      el("p", { class: "quiet" }, "Follow your jobs, read their logs, fetch their results and upload their inputs. Log in with the account that submits your jobs.")),
    el("div", { class: "two" },
      el("section", { class: "card" },
        el("h2", {}, "Wallet"),
        el("p", { class: "quiet" }, "Your wallet shows a text to sign. Signing it costs nothing and moves no tokens."),
        connect,
        none),
      form)));
}

async function withWallet({ chain_id: chain }) {
  const found = wallet();
  if (!found) throw new Error("No wallet was found in this browser. Install Keplr, reload this page, or use a token.");
  const address = await account(found, chain);
  const { challenge } = await json("/v1/login/challenge", { method: "POST", body: { address }, anonymous: true });
  const signed = await asked(found.signArbitrary(chain, address, challenge), "The text was not signed, so you are not logged in.");
  const body = { challenge, public_key: signed.pub_key.value, signature: signed.signature };
  keepLogin((await json("/v1/login/session", { method: "POST", body, anonymous: true })).token);
}

async function account(found, chain) {
  await asked(found.enable(chain), `The wallet gave no access to the chain ${chain}. Add the chain to the wallet, unlock it, and allow this page.`);
  const key = await asked(found.getKey(chain), `The wallet has no account on the chain ${chain}.`);
  if (key.isNanoLedger) notice("Confirm the text on your hardware wallet.");
  return key.bech32Address;
}

async function asked(answer, failure) {
  try {
    return await answer;
  } catch (error) {
    throw new Error(`${failure} (${error && error.message ? error.message : "no reason given"})`);
  }
}

async function withToken(text) {
  if (text.startsWith("provd1.")) return keepLogin(text);
  const { token } = await json("/v1/login/session", { method: "POST", body: { token: text }, anonymous: true });
  return keepLogin(token);
}

export async function withLink(token, job) {
  keepLogin(token);
  await call(`/v1/jobs/${encodeURIComponent(job)}`);
}
