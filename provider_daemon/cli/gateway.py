"""`provd gateway`: runs the customers' HTTPS API."""

from provider_daemon.cli.run import DEFAULT, ConfigFile


def gateway(config: ConfigFile = DEFAULT) -> None:
    """Run the customers' HTTPS API until SIGTERM or SIGINT. SIGHUP reloads the TLS certificate."""
    from provider_daemon import allocator

    allocator.limit()
    from provider_daemon import log
    from provider_daemon.config import model as configuration
    from provider_daemon.gateway import server

    loaded = configuration.load(config)
    log.configure(loaded.log.format, loaded.log.level)
    server.run(loaded)
