"""Whose folder an S3 object is in. Pure.

All jobs use the site's one key for an S3 server. So in each bucket a folder named by an account address
belongs to that account: results are delivered only to the customer's own folder, and inputs are never read
from another customer's.
"""

from provider_daemon.chain import bech32
from provider_daemon.sources.reference import split_s3


def owner(uri: str) -> str:
    """Returns the account whose folder `s3://<endpoint>/<bucket>/<key>` is in; "" for another object."""
    _, _, key = split_s3(uri)
    folder = key.partition("/")[0] if "/" in key else ""
    try:
        bech32.decode(folder)
    except ValueError:
        return ""
    return folder
