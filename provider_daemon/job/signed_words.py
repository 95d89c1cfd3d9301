"""The words of a final status message that name what the evidence signs and the chain has no field for.

`image=sha256:<digest> site_audit=<hash> results=sha256:<root>:<files>:<bytes>`, each only if there is one,
in this order and at the end. The evidence signs the same values, so that anybody can check them from the
chain's data.
"""

import re
from dataclasses import dataclass

from provider_daemon.job.transfer import Results

_WORDS = re.compile(
    r"(?:(?:^|\s)image=(sha256:[0-9a-f]{64}))?"
    r"(?:(?:^|\s)site_audit=([0-9a-f]{64}))?"
    r"(?:(?:^|\s)results=sha256:([0-9a-f]{64}):(\d{1,15}):(\d{1,19}))?$"
)
_FOR_PROGRAMS = re.compile(
    r"(?:^|\s+)(?:output=https?://\S+|image=sha256:\S+|site_audit=[0-9a-f]{64}|results=sha256:\S+)(?=\s|$)"
)


@dataclass(frozen=True, slots=True)
class SignedWords:
    """`image`: the digest of the image that ran (`sha256:` and hex), "" for a native program.

    `site_audit`: SHA-256 in hex of the site's newest audit, "" if there is none. `results`: the manifest.
    """

    image: str = ""
    site_audit: str = ""
    results: Results | None = None

    def __str__(self) -> str:
        results = self.results
        words = {
            "image": self.image,
            "site_audit": self.site_audit,
            "results": f"sha256:{results.root}:{results.files}:{results.bytes}" if results else "",
        }
        return " ".join(f"{name}={value}" for name, value in words.items() if value)


NO_WORDS = SignedWords()


def parse(status_message: str) -> SignedWords:
    """Returns what the message names; they are always the last words."""
    found = _WORDS.search(status_message)
    if found is None:
        return NO_WORDS
    image, site_audit, root, files, size = found.groups()
    return SignedWords(image or "", site_audit or "", Results(root, int(files), int(size)) if root else None)


def without_words(status_message: str) -> str:
    """Returns the message without the words for programs: the results' address, and what is signed."""
    return _FOR_PROGRAMS.sub("", status_message).strip()
