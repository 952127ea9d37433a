//! What an engine can be told, and what it can tell.
