"""What the chain learns of nodes and cluster."""

from tests.unit.loops.conftest import House


async def test_heartbeats_count_the_nodes(house: House) -> None:
    """Every node is on chain as <cluster>.<host>, and an offline cluster is made active again."""
    await house.heartbeat.tick()
    await house.report()
    node = await house.chain.client.query.node("alpha.n1")
    assert node is not None
    assert node.resources.cpu_cores == 16
    house.chain.block(seconds=400)
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert cluster.state == "offline"
    await house.heartbeat.tick()
    await house.report()
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert (cluster.state, cluster.available_nodes) == ("active", 2)


async def test_more_nodes_than_the_chain_thinks(house: House) -> None:
    """total_nodes is raised to what is there, or every later update of the cluster would be refused."""
    house.scheduler.hosts = 6
    await house.heartbeat.tick()
    await house.report()
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert (cluster.total_nodes, cluster.available_nodes) == (6, 6)
