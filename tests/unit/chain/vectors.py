"""The public BIP-39 test phrase, and what Go's libraries (decred secp256k1, x/crypto, jose2go), which the SDK
uses, made of its key."""

from pathlib import Path

MNEMONIC = " ".join(["abandon"] * 11 + ["about"])
SECRET = bytes.fromhex("c4a48e2fce1481cd3294b4490f6678090ea98d3d0e5cd984558ab0968741b104")
ADDRESS = "ve19rl4cm2hmr8afy4kldpxz3fka4jguq0aqakfsa"
# as every Cosmos wallet shows the phrase at m/44'/118'/0'/0/0
COSMOS_ADDRESS = "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4"
PASSPHRASE = "correct horse battery staple"
FIXTURES = Path(__file__).parents[2] / "fixtures/keys"

# Text -> signature of its SHA-256 by the key above.
GO_SIGNATURES = {
    "": (
        "a12625612110e6b4f71030b7e1e15cfe1dc51afca01e942fc79aa6126622183d3ee76b75460f6b23939ae70fbc4314d8c103a4f7ad6b9619f94b91732c114d24"
    ),
    "provd": (
        "695497e47a78cf46b646dea8d1869682439e835e5c00e210604a3d9d31c9fd684e57d4c2dbb82bf7c09cf2502fcb5b4686b9a67d66e9ceeed79e48809210b405"
    ),
    "signed usage": (
        "18be2ace06bad85187832246c837e90e5aab8f58a3feb409b60e51bb0dfc0af57ef6b85a21787762b429a15b9a1c147152c3d8093854c0679e253eb10d72e05a"
    ),
}
