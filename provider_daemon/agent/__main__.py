import sys

from provider_daemon.agent.app import main

if __name__ == "__main__":
    sys.exit(main())
