"""The simulation's second mode: the real adapters between the loops and the models, over a faulty network.

Real: the loops, the ledger, SlurmScheduler with its commands and parsers, GrpcChain with its choice of
endpoints. Fake: what is below a Transport (the login node's shell and SLURM's programs) and below a gRPC
channel (the nodes).
"""
