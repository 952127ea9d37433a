"""Stores the names posted to it in PostgreSQL, and lists them."""

import os
from pathlib import Path

import psycopg
from flask import Flask, jsonify, render_template_string, request
from psycopg.rows import dict_row

MAX_NAME_LENGTH = 100

PAGE = """<!doctype html>
<html lang="en">
<title>Names</title>
<style>body { font: 16px/1.5 sans-serif; max-width: 32em; margin: 3em auto; padding: 0 1em }</style>
<h1>Names</h1>
<form method="post" action="/names">
  <label>A name: <input name="name" maxlength="{{ longest }}" required autofocus></label>
  <button>Store</button>
</form>
<ul>{% for row in names %}<li>{{ row.name }}</li>{% else %}<li><em>none yet</em></li>{% endfor %}</ul>
</html>
"""


def connect():
    """Opens a connection; the password is read each time, so that a rotated secret is picked up."""
    return psycopg.connect(
        host=os.environ["DB_HOST"],
        dbname=os.environ["DB_NAME"],
        user=os.environ["DB_USER"],
        password=Path(os.environ["DB_PASSWORD_FILE"]).read_text().strip(),
        connect_timeout=3,
        row_factory=dict_row,
    )


def create_table():
    """Makes the table once, also when several workers start at the same moment."""
    with connect() as db:
        db.execute("SELECT pg_advisory_xact_lock(1)")
        db.execute(
            """
            CREATE TABLE IF NOT EXISTS names (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                name text NOT NULL,
                stored_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )


def all_names():
    with connect() as db:
        return db.execute("SELECT id, name, stored_at FROM names ORDER BY id").fetchall()


def create_app():
    app = Flask(__name__)
    create_table()

    @app.get("/")
    def page():
        return render_template_string(PAGE, names=all_names(), longest=MAX_NAME_LENGTH)

    @app.get("/names")
    def list_names():
        return jsonify(names=[row["name"] for row in all_names()])

    @app.post("/names")
    def store_name():
        body = request.get_json(silent=True) if request.is_json else request.form
        name = body.get("name") if hasattr(body, "get") else None
        if not isinstance(name, str) or not name.strip():
            return jsonify(error="send a name, as a form field or as JSON: {\"name\": \"Ada\"}"), 400
        name = name.strip()
        if len(name) > MAX_NAME_LENGTH or "\x00" in name:
            return jsonify(error=f"a name has at most {MAX_NAME_LENGTH} characters, and no NUL"), 400
        with connect() as db:
            row = db.execute("INSERT INTO names (name) VALUES (%s) RETURNING id", (name,)).fetchone()
        return jsonify(id=row["id"], name=name), 201

    @app.get("/health")
    def health():
        with connect() as db:
            db.execute("SELECT 1")
        return jsonify(status="ok")

    @app.errorhandler(psycopg.OperationalError)
    def database_away(error):
        app.logger.warning("the database does not answer: %s", error)
        return jsonify(error="the database does not answer"), 503

    return app
