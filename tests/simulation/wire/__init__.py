"""The simulation's second mode: the real adapters between the loops and the models, and everything that a
wire can do to their bytes.

Real: the loops, the ledger, SlurmScheduler with its commands and readings, GrpcChain with its choice of
endpoints. Fake: what lies under a Transport (the login node's shell and SLURM's programs) and under a gRPC
channel (the nodes)."""
