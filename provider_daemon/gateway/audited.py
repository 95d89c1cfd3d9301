"""Which requests the audit log has. Lists and records of the customer's own jobs are not among them."""

from aiohttp import web

from provider_daemon.audit_log.recorder import by_customer
from provider_daemon.audit_log.records import Action, Deed

_JOB, _UPLOAD = "/v1/jobs/{id}", "/v1/uploads/{sha256}"
ACTIONS = {
    ("GET", f"{_JOB}/files"): Action.FILES_LISTED,
    ("GET", f"{_JOB}/files/{{path}}"): Action.FILE_READ,
    ("GET", f"{_JOB}/archive"): Action.ARCHIVE_READ,
    ("GET", f"{_JOB}/log"): Action.LOG_READ,
    ("POST", f"{_JOB}/links"): Action.LINK_MADE,
    ("PATCH", _UPLOAD): Action.UPLOAD_WRITTEN,
    ("PUT", _UPLOAD): Action.UPLOAD_WRITTEN,
    ("DELETE", _UPLOAD): Action.UPLOAD_DELETED,
}
"""method and route -> what the audit log says"""


def deed(request: web.Request, route: str, status: int, account: str) -> Deed | None:
    """Returns what to record of an answered request, or None. A part of an upload is not recorded."""
    action = ACTIONS.get((request.method, route))
    if action is None or status >= 400 or (action is Action.UPLOAD_WRITTEN and status != 201):
        return None
    named = request.match_info
    thing = named.get("path", "") or named.get("sha256", "")
    return by_customer(account, action, job=named.get("id", ""), thing=thing)
