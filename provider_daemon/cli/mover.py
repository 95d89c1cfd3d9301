"""`provd mover`: runs the data mover."""

from provider_daemon.cli.run import DEFAULT, ConfigFile


def mover(config: ConfigFile = DEFAULT) -> None:
    """Run the data mover until SIGTERM or SIGINT.

    It stages the inputs of jobs, lists and delivers their results, and deletes what has expired."""
    from provider_daemon import allocator

    allocator.limit()
    from provider_daemon import log
    from provider_daemon.config import model as configuration
    from provider_daemon.mover import app

    loaded = configuration.load(config)
    log.configure(loaded.log.format, loaded.log.level)
    app.run(loaded)
