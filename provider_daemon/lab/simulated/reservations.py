"""The output of `scontrol show reservation -o`."""

from provider_daemon.lab.simulated.model import SimulatedReservation

NONE = "No reservations in the system"


def show(reservation: SimulatedReservation) -> str:
    """Prints one record. Times are in seconds, as with SLURM_TIME_FORMAT=%s."""
    hours, rest = divmod(reservation.ends_at - reservation.starts_at, 3600)
    return (
        f"ReservationName={reservation.name} StartTime={reservation.starts_at} "
        f"EndTime={reservation.ends_at} Duration={hours:02}:{rest // 60:02}:{rest % 60:02} Nodes=n1 "
        f"NodeCnt={reservation.nodes} CoreCnt=16 Features=(null) PartitionName=(null) "
        f"Flags={reservation.flags} TRES=cpu=16 Users=root Groups=(null) Accounts=(null) Licenses=(null) "
        "State=INACTIVE BurstBuffer=(null) Watts=n/a MaxStartDelay=(null)\n"
    )
