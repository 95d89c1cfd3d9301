"""Classifies failed logins: an outcome and one line for the operator. No I/O."""

import asyncssh

from provider_daemon.errors import ProvdError, Transient, TurnedAway
from provider_daemon.ports import ConnectOutcome
from provider_daemon.slurm.transport import CommandResult, consumed

# A later attempt may succeed without the operator.
PASSING = frozenset({ConnectOutcome.FAILED, ConnectOutcome.TIMED_OUT})
PROBE_WORD = "provd-login"
PROBE = f"echo {PROBE_WORD}\n"
STDIN_CONSUMED = (
    ConnectOutcome.STDIN_CONSUMED,
    "login files or a forced command of the account read from stdin, so no command of provd was run: "
    "let them read only where stdin is a terminal ([ -t 0 ])",
)


class LoginError(TurnedAway):
    """The login fails until the operator changes something; `outcome` is the cause."""

    def __init__(self, outcome: ConnectOutcome, text: str) -> None:
        super().__init__(text)
        self.outcome = outcome


class LoginProblem(Exception):
    """Raised while connecting, for problems that asyncssh has no exception for."""

    def __init__(self, outcome: ConnectOutcome, text: str) -> None:
        super().__init__(text)
        self.outcome = outcome


def raised(outcome: ConnectOutcome, text: str) -> ProvdError:
    return Transient(text) if outcome in PASSING else LoginError(outcome, text)


def meaning(error: Exception, seconds: float) -> tuple[ConnectOutcome, str]:
    """Returns outcome and text of a failed attempt; `seconds` is the time limit of a login."""
    match error:
        case LoginProblem():
            return error.outcome, str(error)
        case asyncssh.HostKeyNotVerifiable():
            text = (
                f"the host key is not the pinned one ({error.reason}): check the host, then the configuration"
            )
            return ConnectOutcome.HOST_KEY_MISMATCH, text
        case asyncssh.PermissionDenied():
            return (
                ConnectOutcome.LOGIN_REFUSED,
                f"the login is refused ({error.reason}): check user and key_file",
            )
        case TimeoutError():
            text = f"the login did not finish within {seconds:g} s; clusters.ssh.login_seconds allows more"
            return ConnectOutcome.TIMED_OUT, text
        case ValueError():  # asyncssh raises it for a key file that it cannot parse
            return ConnectOutcome.UNUSABLE_FILE, f"key_file cannot be read: {reason(error)}"
    return ConnectOutcome.FAILED, reason(error)


def reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return " ".join(str(getattr(error, "reason", "") or error).split())[:200] or type(error).__name__


def second_factor(user: str) -> LoginProblem:
    text = (
        f"the key is accepted, but sshd then asks for a second factor, which a daemon cannot give: "
        f"ask the site to exempt {user} (AuthenticationMethods publickey for this user and address)"
    )
    return LoginProblem(ConnectOutcome.SECOND_FACTOR, text)


def certificate_refused(user: str) -> LoginProblem:
    text = (
        f"the certificate is refused: check that {user} exists at the site, that sshd trusts the certificate "
        "authority (TrustedUserCAKeys, AuthorizedPrincipalsFile), and both clocks"
    )
    return LoginProblem(ConnectOutcome.LOGIN_REFUSED, text)


def check_probe(answer: CommandResult) -> None:
    """Raises LoginProblem unless the login shell ran PROBE. Other output of login files is ignored."""
    if PROBE_WORD in answer.stdout.split("\n"):
        return
    if consumed(answer):
        raise LoginProblem(*STDIN_CONSUMED)
    said = " ".join(f"{answer.stdout} {answer.stderr}".split())[:200]
    if answer.exit_code is None:
        raise LoginProblem(
            ConnectOutcome.FAILED,
            f"the connection was lost while the login shell started: {said or 'no output'}",
        )
    text = (
        f"logged in, but the account does not run commands (exit status {answer.exit_code}, output "
        f"{said!r}): closed account, restricted shell or forced command; ask the site"
    )
    raise LoginProblem(ConnectOutcome.COMMAND_REFUSED, text)
