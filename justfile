# What a developer runs. None of it is needed to use rcompose: the test command is `bash tests/run`.

# Everything a change must pass, short of a real engine.
check: fmt clippy test deny tidy

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings

test:
    cargo nextest run --workspace --locked

deny:
    cargo deny check

# Import edges, file and function sizes.
tidy:
    cargo test --locked --test tidy -- --nocapture

# The whole test command, with engines.
ci:
    bash tests/run

# Long campaigns: kill matrices, many generated projects, the demo with a browser.
soak:
    bash tests/soak

# Figures beside docker compose, in the same run.
bench:
    bash tests/bench
