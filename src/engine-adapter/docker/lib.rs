//! The Docker API as an engine.
