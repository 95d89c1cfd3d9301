"""The node agent's drain and resume on a real site, where `slurm_update` allows them."""

import pytest

from provider_daemon.agent.config import AgentSettings
from provider_daemon.agent.execution import Executor
from provider_daemon.lab.site.site import Site
from provider_daemon.node_protocol.command import NodeCommand
from provider_daemon.nodes.command import CommandKind, CommandResult

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real-slurm")]


def command(kind: CommandKind) -> NodeCommand:
    return NodeCommand("C-1", "HPC-1", "alpha.n1", 1, kind, 0, 0, {"reason": "fan 2; see ticket 7"})


def shown(site: Site, node: str) -> tuple[bool, bool]:
    """Returns whether SLURM shows the node as drained, and the reason as the agent's."""
    text = site.run("scontrol", "show", "node", node).stdout
    return "DRAIN" in text, "Reason=provd-agent: fan 2; see ticket 7" in text


def test_a_drain_and_its_end(real_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a drain of the agent's own is ended; one of the administrator keeps its reason."""
    monkeypatch.setenv("SLURM_CONF", str(real_site.layout.slurm_conf))
    node = real_site.nodes[-1]
    agent = Executor(AgentSettings(slurm_update=True), node, lambda: "")
    drain, resume = command(CommandKind.DRAIN), command(CommandKind.RESUME)
    try:
        assert agent.execute(resume) == (CommandResult.DONE, "")
        assert agent.execute(drain) == (CommandResult.DONE, "")
        assert shown(real_site, node) == (True, True)
        assert agent.execute(drain) == (CommandResult.DONE, "")
        assert agent.execute(resume) == (CommandResult.DONE, "")
        assert shown(real_site, node) == (False, False)
        real_site.run("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=new disk")
        assert agent.execute(drain)[0] is CommandResult.DONE
        assert shown(real_site, node) == (True, False)
        result, output = agent.execute(resume)
        assert (result, shown(real_site, node)) == (CommandResult.FAILED, (True, False))
        assert "somebody else drained it: new disk" in output
    finally:
        real_site.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
