"""A wallet with Keplr's interface in the browser; its signatures are made here, with the customer's key.

tests/unit/tokens compares such signatures with those of stock wallets: they are the same bytes.
"""

import json

from provider_daemon.chain.sign import LocalSigner
from tests.browser.chromium import Tab
from tests.unit.tokens.wallets import public_key, signed

_WALLET = """
window.asked = null;
window.keplr = {
  enable: async (chain) => { if (window.unknownChain) throw new Error(`no chain info for ${chain}`); },
  getKey: async () => ({ bech32Address: ADDRESS, isNanoLedger: false }),
  signArbitrary: (chain, signer, data) =>
    new Promise((done, fail) => { window.asked = { chain, signer, data, done, fail }; }),
};
"""


async def install(tab: Tab, signer: LocalSigner) -> None:
    """Puts the wallet into every page that is opened from now on."""
    source = _WALLET.replace("ADDRESS", json.dumps(signer.address))
    await tab.call("Page.addScriptToEvaluateOnNewDocument", source=source)


async def shown(tab: Tab) -> str:
    """Returns the text that the wallet shows to its owner."""
    await tab.until("window.asked !== null")
    return str(await tab.run("window.asked.data"))


async def sign(tab: Tab, signer: LocalSigner) -> str:
    """Signs what the wallet shows, and returns it."""
    text = await shown(tab)
    answer = {
        "pub_key": {"type": "tendermint/PubKeySecp256k1", "value": public_key(signer)},
        "signature": signed(text, signer),
    }
    await tab.run(f"(window.asked.done({json.dumps(answer)}), window.asked = null)")
    return text


async def reject(tab: Tab) -> None:
    await shown(tab)
    await tab.run("(window.asked.fail(new Error('Request rejected')), window.asked = null)")
