"""The program that serves requests about files at a site. It runs as the job user, under Python 3.6 or newer.

Its modules use the standard library only. program.py sends their text over the transport's stdin, and the
site's interpreter executes them: nothing is installed there.

Start: the login shell may print anything; then the program writes the line READY and its hello frame. After
that, both directions carry frames, and the client sends one request at a time.

Client to program: 4 bytes length (big endian), then the bytes. A request is a JSON object `{"do": name,
"root": directory, ...}`. "write" and "store" are followed by frames of content; an empty frame ends them.
Program to client: 1 byte kind, 4 bytes length (big endian), then the bytes:

    h  JSON {"version", "python", "user"}: the program is ready
    d  content
    v  JSON value: an item or a list of items
    p  empty: still working; sent at least every few seconds
    z  JSON value: the request is finished, with this result
    e  JSON {"kind", "reason"}: the request failed; kinds: errors of beneath.py

The end of stdin ends the program. Names are bytes on disk; in JSON they are UTF-8 decoded with
surrogateescape, in ASCII escapes, so that every name has exactly one spelling and survives the trip.

Access: `root` is opened by its path. Symbolic links in its parents are followed, and its last component only
if it ends with "/": parents and such roots are the operator's. Everything below is opened component by
component, relative to the handle of its directory, without following a symbolic link. Only regular files are
opened, without blocking, and checked again after the open. Files with several hard links are read only below
`inputs` (the files that provd itself put there), or where the request has `"links": true`.
"""
