"""Throws a die with bytes from a device, and notes the result. Edit me while the container runs: the next throw uses the edit."""

from datetime import datetime, timezone

SIDES = 6

with open("/dev/dice", "rb", buffering=0) as device:
    throw = device.read(1)[0] % SIDES + 1

with open("/results/throws.csv", "a") as results:
    results.write(f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ},{throw}\n")

print(f"a die of {SIDES} sides shows {throw}")
