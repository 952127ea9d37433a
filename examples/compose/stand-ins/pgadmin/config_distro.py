"""Settings of a container: the image's folders, then each PGADMIN_CONFIG_NAME=VALUE as NAME = VALUE, a Python literal."""

import ast
import os

SERVER_MODE = True
DATA_DIR = "/var/lib/pgadmin"
LOG_FILE = "/dev/null"
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"

for _name, _value in os.environ.items():
    if _name.startswith("PGADMIN_CONFIG_"):
        globals()[_name.removeprefix("PGADMIN_CONFIG_")] = ast.literal_eval(_value)
