import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    return "Hello from Flask!\n"


if __name__ == "__main__":
    # 0.0.0.0, for inside a container 127.0.0.1 is the container alone and no published port would reach it.
    app.run(host="0.0.0.0", port=int(os.environ["PORT"]))
