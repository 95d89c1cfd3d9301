"""`provd collector`: runs the HTTPS server for node agents."""

from provider_daemon.cli.run import DEFAULT, ConfigFile


def collector(config: ConfigFile = DEFAULT) -> None:
    """Run the server for node agents until SIGTERM or SIGINT. SIGHUP reads the TLS certificate again."""
    from provider_daemon import allocator

    allocator.limit()
    from provider_daemon import log
    from provider_daemon.collector import server
    from provider_daemon.config import model as configuration

    loaded = configuration.load(config)
    log.configure(loaded.log.format, loaded.log.level)
    server.run(loaded)
