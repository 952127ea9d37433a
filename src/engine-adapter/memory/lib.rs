//! A strict in-memory engine with fault injection, for tests.
