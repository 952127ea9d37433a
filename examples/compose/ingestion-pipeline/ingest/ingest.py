"""Loads the rides of one day into PostgreSQL: ingest.py YYYY-MM-DD. Loading a day again replaces it."""

import os
import sys
from datetime import date
from pathlib import Path

import psycopg

TABLE = """
CREATE TABLE IF NOT EXISTS rides (
    day date NOT NULL,
    started time NOT NULL,
    minutes integer NOT NULL,
    from_station text NOT NULL,
    to_station text NOT NULL
)
"""


def main(arguments):
    if len(arguments) != 1:
        return "usage: ingest.py YYYY-MM-DD"
    try:
        day = date.fromisoformat(arguments[0])
    except ValueError:
        return f"{arguments[0]!r} is no date; write it as 2024-03-01"
    source = Path("/data") / f"rides-{day}.csv"
    if not source.is_file():
        there = ", ".join(sorted(path.stem.removeprefix("rides-") for path in source.parent.glob("rides-*.csv")))
        return f"there are no rides of {day}; there are those of {there or 'no day at all'}"

    with psycopg.connect(
        host=os.environ["DB_HOST"],
        dbname=os.environ["DB_NAME"],
        user=os.environ["DB_USER"],
        password=Path(os.environ["DB_PASSWORD_FILE"]).read_text().strip(),
    ) as db:
        # One transaction: a day is there whole or not at all.
        db.execute(TABLE)
        db.execute("CREATE TEMPORARY TABLE loaded (LIKE rides) ON COMMIT DROP")
        db.execute("ALTER TABLE loaded DROP COLUMN day")
        with db.cursor().copy("COPY loaded FROM STDIN (FORMAT csv, HEADER true)") as copy:
            copy.write(source.read_bytes())
        replaced = db.execute("DELETE FROM rides WHERE day = %s", (day,)).rowcount
        loaded = db.execute("INSERT INTO rides SELECT %s, * FROM loaded", (day,)).rowcount
    print(f"{day}: {loaded} rides loaded, {replaced} replaced")
    return None


sys.exit(main(sys.argv[1:]))
