//! Plan in, engine calls and events out; no policy.
