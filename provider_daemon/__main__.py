from provider_daemon.cli.app import main

main()
