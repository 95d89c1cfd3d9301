"""Stores the root file systems of images at a site: whole, or not at all."""

import asyncio
from collections.abc import AsyncIterator

from provider_daemon.errors import Transient
from provider_daemon.slurm.transport import StreamingTransport

STORED = "provd-image-stored"
STORE_SECONDS = 600.0  # after the last content: the site's disks may be slow
_MOST_NOISE = 64 * 1024

# The rename shows a whole image under its name. One with the file `whole` is there already, and stays; one
# without it was being deleted.
_PROGRAM = f"""read -r images; read -r name
umask 022
mkdir -p "$images" && chmod 755 "$images" || exit 1
if [ -e "$images/$name/whole" ]; then cat >/dev/null; echo; echo {STORED}; exit; fi
rm -rf "${{images:?}}/$name"
find "$images" -maxdepth 1 -name '.partial.*' -mmin +1440 -exec rm -rf {{}} +
partial=$(mktemp -d "$images/.partial.XXXXXXXX") || exit 1
trap 'chmod -R u+w "$partial" 2>/dev/null; rm -rf "$partial"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$partial" && tar -x -C "$partial" --no-same-owner -p -f - || exit 1
touch "$partial/whole" && mv -T "$partial" "$images/$name" || exit 1
echo; echo {STORED}
"""


class ImageStore:
    """`directory`: of the images at the site, absolute; jobs read it, and only provd's login writes there."""

    def __init__(self, transport: StreamingTransport, directory: str) -> None:
        self._transport = transport
        self.directory = directory

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Unpacks a tar stream as `name`. Raises Transient; then nothing is there under the name."""
        async with self._transport.stream(_PROGRAM) as stream:
            await stream.write(f"{self.directory}\n{name}\n".encode())
            async for chunk in chunks:
                await stream.write(chunk)
            stream.write_eof()
            said = bytearray()
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    while (part := await stream.read(4096)) and len(said) < _MOST_NOISE:
                        said += part
                    await stream.exit_code()
            except TimeoutError:
                raise Transient(f"the site did not store an image within {STORE_SECONDS:g} s") from None
            if STORED not in said.decode(errors="replace").split():
                reason = " ".join(stream.stderr.split())[:300] or "no reason given"
                raise Transient(f"an image cannot be stored at the site: {reason}")
