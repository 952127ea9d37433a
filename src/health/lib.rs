//! Healthcheck state machine without clock or IO.
