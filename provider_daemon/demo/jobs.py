"""The demo's eighteen jobs: what each requests, and how it must end."""

from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.job.pricing import DENOM, Pricing
from provider_daemon.job.state import State

IMAGE = "docker.io/library/alpine:3"
QUEUES = ("standard", "gpu")
QUEUE_MULTIPLIERS = {"standard": "1", "gpu": "1.5"}
# of the demo's offering, in uvirt: none is a default rate, so that a bill shows which prices it follows
PRICES = Pricing(
    cpu_core_hour="12000",
    memory_gb_hour="6000",
    gpu_hour="120000",
    node_hour="60000",
    minimum_charge="500",
    currency="uvirt",
)
MAX_PRICE = 1_000_000  # uvirt that a job puts into escrow: more than any of them can cost
WORST = 12_997  # uvirt that a job of one core, 1 GB and one node can cost in ten minutes
# the file that a hostile string creates if a shell ever interprets it as code
MARKER = "PWNED"
ATTACK = f"$(touch {MARKER});`touch {MARKER}`;'\"|touch {MARKER}&\\"


@dataclass(frozen=True, slots=True)
class DemoJob:
    """A job of the demo.

    `exit_code` is the code that SLURM must report; None if the job never reaches SLURM or is killed by a
    cancel.
    """

    title: str
    customer: int
    state: State
    exit_code: int | None
    command: str = "/bin/sh"
    arguments: tuple[str, ...] = ()
    queue: str = "standard"
    image: str = IMAGE
    working_directory: str = ""
    nodes: int = 1
    cpus: int = 1
    memory_gb: int = 1
    gpus: int = 0
    max_runtime_seconds: int = 600
    cancelled_by_customer: bool = False
    references: tuple[types_pb2.DataReference, ...] = ()
    outputs_pointer: str = ""
    price: tuple[tuple[str, int], ...] = ((DENOM, MAX_PRICE),)

    @property
    def escrowed(self) -> int:
        """What the chain holds for the job, in uvirt."""
        return sum(amount for denom, amount in self.price if denom == DENOM)

    @property
    def reaches_slurm(self) -> bool:
        return self.exit_code is not None or self.cancelled_by_customer

    def message(self, customer_address: str, offering_id: str) -> tx_pb2.MsgSubmitJob:
        return tx_pb2.MsgSubmitJob(
            customer_address=customer_address,
            offering_id=offering_id,
            queue_name=self.queue,
            workload_spec=types_pb2.JobWorkloadSpec(
                container_image=self.image,
                command=self.command,
                arguments=self.arguments,
                working_directory=self.working_directory,
            ),
            resources=types_pb2.JobResources(
                nodes=self.nodes,
                cpu_cores_per_node=self.cpus,
                memory_gb_per_node=self.memory_gb,
                gpus_per_node=self.gpus,
                gpu_type="nvidia-a100" if self.gpus else "",
            ),
            data_references=self.references,
            encrypted_outputs_pointer=self.outputs_pointer,
            max_runtime_seconds=self.max_runtime_seconds,
            max_price=[Coin(denom=denom, amount=str(amount)) for denom, amount in self.price],
        )


def shell(line: str) -> tuple[str, ...]:
    """The customer's own shell, inside the job."""
    return ("-c", line)


def demo_jobs(
    hostile_program: str, inputs: Mapping[str, types_pb2.DataReference], outputs_pointer: str
) -> tuple[DemoJob, ...]:
    """Returns the jobs. `hostile_program` is a program on the site whose file name is an attack.

    `inputs`: by the place that they come from; `outputs_pointer`: where one job's results are sent.
    """
    return (
        DemoJob(
            "four cores", 0, State.COMPLETED, 0, arguments=shell("hostname; sleep 3"), cpus=4, memory_gb=8
        ),
        DemoJob(
            "two nodes", 1, State.COMPLETED, 0, "srun", ("--ntasks-per-node=1", "hostname"), nodes=2, cpus=2
        ),
        DemoJob(
            "one GPU",
            0,
            State.COMPLETED,
            0,
            arguments=shell("echo GPU $CUDA_VISIBLE_DEVICES; sleep 2"),
            queue="gpu",
            gpus=1,
        ),
        DemoJob("exit code 3", 1, State.FAILED, 3, arguments=shell("exit 3")),
        DemoJob(
            "over its time limit", 0, State.TIMEOUT, 124, arguments=shell("sleep 600"), max_runtime_seconds=60
        ),
        DemoJob(
            "cancelled while running",
            1,
            State.CANCELLED,
            None,
            arguments=shell("sleep 600"),
            cancelled_by_customer=True,
        ),
        DemoJob("unknown partition", 0, State.FAILED, None, arguments=shell("true"), queue="nowhere"),
        DemoJob("more nodes than exist", 1, State.FAILED, None, arguments=shell("true"), nodes=99),
        DemoJob(
            "hostile strings",
            0,
            State.COMPLETED,
            0,
            hostile_program,
            (ATTACK, f"--flag={ATTACK}", "", "*"),
            image=f"evil/{ATTACK}",
            working_directory=f"dir {ATTACK.replace('/', '')}",
        ),
        *(
            DemoJob(f"quick {number}", number % 2, State.COMPLETED, 0, "echo", ("quick", str(number)))
            for number in (1, 2, 3)
        ),
        *data_jobs(inputs, outputs_pointer),
        *unpaid_jobs(),
    )


def data_jobs(inputs: Mapping[str, types_pb2.DataReference], outputs_pointer: str) -> tuple[DemoJob, ...]:
    """Returns the jobs that bring an input: one each by upload, S3 and IPFS."""
    count = shell("wc -c <inputs/points.dat; sha256sum inputs/points.dat >sum.txt")
    return (
        DemoJob("20 MB by upload", 0, State.COMPLETED, 0, arguments=count, references=(inputs["upload"],)),
        DemoJob(
            "S3, encrypted results",
            1,
            State.COMPLETED,
            0,
            arguments=count,
            references=(inputs["s3"],),
            outputs_pointer=outputs_pointer,
        ),
        DemoJob("input from IPFS", 0, State.COMPLETED, 0, arguments=count, references=(inputs["ipfs"],)),
    )


def unpaid_jobs() -> tuple[DemoJob, ...]:
    """Returns the jobs that are refused because nothing, or too little, is held for them."""
    return tuple(
        DemoJob(title, customer, State.FAILED, None, arguments=shell("true"), price=price)
        for title, customer, price in (
            ("without a price", 0, ()),
            ("price too low", 1, ((DENOM, 5),)),
            ("price in another denom", 0, (("uve", MAX_PRICE),)),
        )
    )
