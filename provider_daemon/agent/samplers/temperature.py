"""Reads the temperature of the processors from the kernel's sensors."""

from provider_daemon.agent.samplers.files import Files

_HWMON, _ZONES = "/sys/class/hwmon", "/sys/class/thermal"
_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")  # the drivers' names, Intel and AMD first
_CPU_ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc-thermal")
_CELSIUS = 1000  # sensors report thousandths of a degree


def hottest(files: Files) -> int:
    """Returns the hottest sensor of the processors in °C, and 0 if there is none, as in virtual machines."""
    return max((*_hwmon(files), *_zones(files)), default=0)


def _hwmon(files: Files) -> list[int]:
    directories = [f"{_HWMON}/{name}" for name in files.names(_HWMON)]
    sensors = [each for each in directories if files.line(f"{each}/name") in _CPU_SENSORS]
    inputs = [
        f"{each}/{name}"
        for each in sensors
        for name in files.names(each)
        if name.startswith("temp") and name.endswith("_input")
    ]
    return [degrees for path in inputs if (degrees := celsius(files.line(path))) is not None]


def _zones(files: Files) -> list[int]:
    directories = [f"{_ZONES}/{name}" for name in files.names(_ZONES)]
    zones = [each for each in directories if files.line(f"{each}/type") in _CPU_ZONES]
    return [degrees for each in zones if (degrees := celsius(files.line(f"{each}/temp"))) is not None]


def celsius(text: str) -> int | None:
    """Returns whole degrees, or None for what is no temperature of a running machine."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 9):
        return None
    degrees = round(int(text) / _CELSIUS)
    return degrees if -100 <= degrees <= 200 else None
