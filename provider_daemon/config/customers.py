"""The [customers] table of provd.toml."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ADDRESS = r"^ve1[02-9ac-hj-np-z]{38}([02-9ac-hj-np-z]{20})?$"

Address = Annotated[str, StringConstraints(pattern=ADDRESS)]
# It becomes part of a status message on chain, whose size costs gas.
Reason = Annotated[str, StringConstraints(max_length=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CustomerLimitsConfig(_Strict):
    """Limits of each customer on each cluster; 0 means no limit."""

    max_jobs: int = Field(default=0, ge=0)
    max_waiting: int = Field(default=1000, ge=0)
    max_cores: int = Field(default=0, ge=0)
    max_gpus: int = Field(default=0, ge=0)
    core_hours_per_day: float = Field(default=0.0, ge=0)
    submissions_per_minute: int = Field(default=0, ge=0)


class CustomerExceptionConfig(_Strict):
    """Limits of one customer; a missing one is as for all others."""

    max_jobs: int | None = Field(default=None, ge=0)
    max_waiting: int | None = Field(default=None, ge=0)
    max_cores: int | None = Field(default=None, ge=0)
    max_gpus: int | None = Field(default=None, ge=0)
    core_hours_per_day: float | None = Field(default=None, ge=0)
    submissions_per_minute: int | None = Field(default=None, ge=0)


class CustomersConfig(_Strict):
    """Whose jobs are accepted, and how many.

    `allowed` and `blocked`: address -> reason. If `allowed` is not empty, jobs of all others are refused.
    """

    limits: CustomerLimitsConfig = CustomerLimitsConfig()
    exceptions: dict[Address, CustomerExceptionConfig] = {}
    allowed: dict[Address, Reason] = {}
    blocked: dict[Address, Reason] = {}
